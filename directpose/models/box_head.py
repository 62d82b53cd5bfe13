"""FCOS's boxes beside the keypoints, predicted in the same shot. Not of the paper."""

from collections.abc import Sequence

from mmdet.structures.bbox import distance2bbox
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from torch import Tensor

from .directpose_head import DirectPoseHead
from .targets import at_positives


@MODELS.register_module()
class DirectPoseBoxHead(DirectPoseHead):
    """A :class:`DirectPoseHead` that predicts people's boxes too, and does NMS on those boxes.

    Args:
        metainfo (dict): See :class:`DirectPoseHead`.
        in_channels (int): Channels of the features. Defaults to 256.
        box_branch (dict): The branch that predicts the boxes. Defaults to
            :class:`~.box_branch.BoxBranch`.
        loss_box (dict): Loss of the predicted boxes, in input pixels. Defaults to mmdet's
            ``GIoULoss``.
        **kwargs: See :class:`DirectPoseHead`.
    """

    output_names = (*DirectPoseHead.output_names, 'box_pred')

    def __init__(
        self,
        metainfo: dict,
        in_channels: int = 256,
        box_branch: dict = dict(type='BoxBranch'),
        loss_box: dict = dict(type='mmdet.GIoULoss'),
        **kwargs,
    ) -> None:
        super().__init__(metainfo, in_channels, **kwargs)
        self.box_branch = MODELS.build(dict(box_branch, in_channels=in_channels))
        self.loss_box = MODELS.build(loss_box)

    def forward(self, feats: Sequence[Tensor]) -> tuple[list[Tensor], ...]:
        """Raw maps of every level.

        Args:
            feats (Sequence[Tensor]): (N, in_channels, H, W) a level, finest first.

        Returns:
            Tuple[List[Tensor], ...]: What :meth:`DirectPoseHead.forward` returns and, as a
            fourth, distances to the left, top, right and bottom of the box (N, 4, H, W) a level,
            in strides.
        """
        return *super().forward(feats), self.box_branch(feats)

    def loss_by_feat(
        self,
        cls_scores: Sequence[Tensor],
        keypoint_preds: Sequence[Tensor],
        centernesses: Sequence[Tensor],
        box_preds: Sequence[Tensor],
        batch_gt_instances: Sequence[InstanceData],
    ) -> dict[str, Tensor]:
        """Losses of the raw maps that :meth:`forward` returns.

        Args:
            cls_scores, keypoint_preds, centernesses, batch_gt_instances: See
                :meth:`DirectPoseHead.loss_by_feat`.
            box_preds (Sequence[Tensor]): Distances (N, 4, H, W) a level, in strides.

        Returns:
            Dict[str, Tensor]: The losses of :meth:`DirectPoseHead.loss_by_feat` and
            ``loss_box``, which weighs a location by its centerness target.
        """
        targets = self.get_targets(cls_scores, keypoint_preds, batch_gt_instances)
        losses = self.loss_by_targets(cls_scores, keypoint_preds, centernesses, targets)
        distances = at_positives(box_preds, targets) * targets.strides[:, None]  # (P, 4)
        losses['loss_box'] = self.loss_box(
            distance2bbox(targets.points, distances),
            targets.boxes,
            targets.centerness,
            avg_factor=targets.centerness.sum().clamp(min=1),
        )
        return losses

    def predict_by_feat(
        self,
        cls_scores: Sequence[Tensor],
        keypoint_preds: Sequence[Tensor],
        centernesses: Sequence[Tensor],
        box_preds: Sequence[Tensor],
        batch_img_metas: Sequence[dict],
        cfg: dict,
    ) -> list[InstanceData]:
        """Poses of the raw maps that :meth:`forward` returns, with the predicted boxes.

        Args:
            cls_scores, keypoint_preds, centernesses, batch_img_metas, cfg: See
                :meth:`DirectPoseHead.predict_by_feat`.
            box_preds (Sequence[Tensor]): Distances (N, 4, H, W) a level, in strides.

        Returns:
            List[InstanceData]: As of :meth:`DirectPoseHead.predict`, in input pixels.
        """
        outputs = (cls_scores, keypoint_preds, centernesses, box_preds)
        return self._decode(outputs, batch_img_metas, cfg)
