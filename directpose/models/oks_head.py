"""Training by the object keypoint similarity (OKS), COCO's measure. Not of the paper."""

from collections.abc import Sequence

import torch
from mmengine.structures import InstanceData
from mmpose.models.task_modules.assigners.metric_calculators import PoseOKS
from mmpose.registry import MODELS, TASK_UTILS
from torch import Tensor

from .directpose_head import DirectPoseHead
from .losses import location_weights
from .oks_assignment import assign_by_oks
from .targets import PositiveTargets, at_positives, gather_targets, pad_people


@MODELS.register_module()
class DirectPoseOKSHead(DirectPoseHead):
    """A :class:`DirectPoseHead` that is trained by the OKS of its predictions.

    The OKS may choose the positive locations, be a loss beside the L1 loss, and be what the
    centerness branch learns. The training data needs ``areas`` (n, ) in square input pixels.
    Weights are those of a :class:`DirectPoseHead`.

    Args:
        metainfo (dict): See :class:`DirectPoseHead`. The sigmas of the OKS come from here.
        assigner (dict, optional): An assigner of mmpose that chooses the positive locations, see
            :func:`~.oks_assignment.assign_by_oks`. Defaults to FCOS's rule.
        loss_oks (dict, optional): mmpose's ``OKSLoss`` with ``reduction='none'`` and
            ``norm_target_weight=True``. By default there is no such loss.
        score_by_oks (bool): Whether the centerness branch learns the OKS of the pose that its
            location predicts. A person's score is then the classification times the OKS that
            the model expects, as `IoU-aware detectors <https://arxiv.org/abs/1912.05992>`_ do
            with boxes. Defaults to False: it learns the centerness.
        **kwargs: See :class:`DirectPoseHead`.
    """

    label_fields = (*DirectPoseHead.label_fields, 'areas')

    def __init__(
        self,
        metainfo: dict,
        assigner: dict | None = None,
        loss_oks: dict | None = None,
        score_by_oks: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(metainfo, **kwargs)
        sigmas = torch.as_tensor(self.metainfo['sigmas'])  # (K, )
        self.assigner = None
        if assigner is not None:
            self.assigner = TASK_UTILS.build(assigner)
            self.assigner.oks_calculator.sigmas = sigmas
        self.loss_oks = None
        if loss_oks is not None:
            self.loss_oks = MODELS.build(loss_oks)
            # not a weight: checkpoints of the paper's head fit too
            self.loss_oks.register_buffer('sigmas', sigmas, persistent=False)
        self.oks = None
        if score_by_oks:
            self.oks = PoseOKS(metainfo=None)
            self.oks.sigmas = sigmas

    def get_targets(
        self,
        cls_scores: Sequence[Tensor],
        keypoint_preds: Sequence[Tensor],
        batch_gt_instances: Sequence[InstanceData],
    ) -> PositiveTargets:
        """Decide which locations learn which person, by the assigner where there is one.

        Args:
            cls_scores (Sequence[Tensor]): Logits (N, 1, H, W) a level.
            keypoint_preds (Sequence[Tensor]): (N, 2K, H, W) a level, in strides from the
                location.
            batch_gt_instances (Sequence[InstanceData]): The people of each image, in input
                pixels.

        Returns:
            PositiveTargets: Of the P locations that belong to a person.
        """
        if self.assigner is None:
            return super().get_targets(cls_scores, keypoint_preds, batch_gt_instances)
        locations = self.locations(cls_scores)
        assigned = assign_by_oks(
            self.assigner,
            locations,
            torch.cat([m.flatten(1) for m in cls_scores], dim=1).float(),
            torch.cat([m.flatten(2) for m in keypoint_preds], dim=2).float(),
            batch_gt_instances,
        )
        return gather_targets(locations, pad_people(batch_gt_instances), assigned)

    def score_targets(self, keypoint_pred: Tensor, targets: PositiveTargets) -> Tensor:
        """What the centerness branch learns, see :meth:`DirectPoseHead.score_targets`.

        Args:
            keypoint_pred (Tensor): (P, K, 2), in strides from the location. The targets pass no
                gradient to it.
            targets (PositiveTargets): The targets of the P locations.

        Returns:
            Tensor: (P, ), the OKS of each prediction with ``score_by_oks``, else the centerness.
        """
        if self.oks is None:
            return super().score_targets(keypoint_pred, targets)
        return self.oks(
            keypoint_pred, targets.keypoints, targets.visible, areas_in_strides(targets)
        )

    def loss_by_targets(
        self,
        cls_scores: Sequence[Tensor],
        keypoint_preds: Sequence[Tensor],
        centernesses: Sequence[Tensor],
        targets: PositiveTargets,
    ) -> dict[str, Tensor]:
        """Losses of the raw maps for given targets.

        Args:
            cls_scores, keypoint_preds, centernesses: See :meth:`DirectPoseHead.loss_by_feat`.
            targets (PositiveTargets): Of the locations that belong to a person.

        Returns:
            Dict[str, Tensor]: The losses of :meth:`DirectPoseHead.loss_by_feat` and, with
            ``loss_oks``, the loss of that name, averaged over locations as the L1 loss.
        """
        losses = super().loss_by_targets(cls_scores, keypoint_preds, centernesses, targets)
        if self.loss_oks is not None:
            keypoint_pred = at_positives(keypoint_preds, targets).unflatten(1, (-1, 2))
            weight = location_weights(targets.visible, targets.centerness)
            loss = self.loss_oks(
                keypoint_pred, targets.keypoints, targets.visible, areas_in_strides(targets)
            )
            losses['loss_oks'] = (loss * weight).sum() / weight.sum().clamp(min=1)
        return losses


def areas_in_strides(targets: PositiveTargets) -> Tensor:
    """The areas (P, ) of the people of P locations, in square strides of the locations."""
    return targets.areas / targets.strides**2
