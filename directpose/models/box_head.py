"""A head that predicts a box for each person, as FCOS does. This is not in the paper."""

from collections.abc import Mapping, Sequence

from mmdet.structures.bbox import distance2bbox
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from torch import Tensor

from .cells import Cells
from .directpose_head import DirectPoseHead
from .targets import at_positives


@MODELS.register_module()
class DirectPoseBoxHead(DirectPoseHead):
    """A :class:`DirectPoseHead` that also predicts people's boxes, and uses them for NMS.

    Args:
        metainfo (dict): See :class:`DirectPoseHead`.
        in_channels (int): Number of channels of the features. Defaults to 256.
        box_branch (dict): Config of the branch that predicts the boxes. Defaults to
            :class:`~.box_branch.BoxBranch`.
        loss_box (dict): Config of the loss of the boxes, which are in input pixels. Defaults to
            mmdet's ``GIoULoss``.
        **kwargs: The other arguments of :class:`DirectPoseHead`.
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

    def person_maps(self, feats: Sequence[Tensor]) -> dict[str, list[Tensor]]:
        """Compute the maps of :meth:`DirectPoseHead.person_maps`, and ``box_pred``.

        Args:
            feats (Sequence[Tensor]): For each level, finest first, features of shape
                (N, in_channels, H, W).

        Returns:
            dict[str, list[Tensor]]: ``box_pred`` has for each level the distances to the left,
            top, right and bottom side of the box, of shape (N, 4, H, W), in units of the level's
            stride.
        """
        return dict(super().person_maps(feats), box_pred=self.box_branch(feats))

    def predict_at(self, maps: Mapping[str, Sequence[Tensor]], cells: Cells) -> dict[str, Tensor]:
        """Compute the outputs at some cells, but for the scores.

        Args:
            maps, cells: See :meth:`DirectPoseHead.predict_at`.

        Returns:
            dict[str, Tensor]: The result of :meth:`DirectPoseHead.predict_at`, and ``box_pred`` of
            shape (N, 4, P).
        """
        return dict(super().predict_at(maps, cells), box_pred=cells.read(maps['box_pred']))

    def loss_by_feat(
        self,
        cls_scores: Sequence[Tensor],
        keypoint_preds: Sequence[Tensor],
        centernesses: Sequence[Tensor],
        box_preds: Sequence[Tensor],
        batch_gt_instances: Sequence[InstanceData],
    ) -> dict[str, Tensor]:
        """Compute the losses of the raw maps that :meth:`forward` returns.

        Args:
            cls_scores, keypoint_preds, centernesses, batch_gt_instances: See
                :meth:`DirectPoseHead.loss_by_feat`.
            box_preds (Sequence[Tensor]): For each level, distances of shape (N, 4, H, W), see
                :meth:`forward`.

        Returns:
            dict[str, Tensor]: The losses of :meth:`DirectPoseHead.loss_by_feat` and
            ``loss_box``, in which the weight of a location is its centerness target.
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
        """Decode the raw maps that :meth:`forward` returns into poses with predicted boxes.

        Args:
            cls_scores, keypoint_preds, centernesses, batch_img_metas, cfg: See
                :meth:`DirectPoseHead.predict_by_feat`.
            box_preds (Sequence[Tensor]): For each level, distances of shape (N, 4, H, W), see
                :meth:`forward`.

        Returns:
            list[InstanceData]: The poses of each image, see :meth:`DirectPoseHead.predict`.
        """
        outputs = (cls_scores, keypoint_preds, centernesses, box_preds)
        return self._decode(outputs, batch_img_metas, cfg)
