"""A head that is trained by COCO's object keypoint similarity (OKS). This is not in the paper."""

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

    The OKS has three uses, each with an argument of its own: to choose the positive locations, as
    a loss in addition to the L1 loss, and as the target of the centerness branch. The people of
    the training data need ``areas`` (n, ) in square input pixels. The weights have the names and
    shapes of a :class:`DirectPoseHead`.

    Args:
        metainfo (dict): See :class:`DirectPoseHead`. It also has the sigmas of the OKS.
        assigner (dict, optional): Config of an assigner of mmpose that chooses the positive
            locations, see :func:`~.oks_assignment.assign_by_oks`. Defaults to None, which means
            FCOS's rule.
        loss_oks (dict, optional): Config of mmpose's ``OKSLoss``, with ``reduction='none'`` and
            ``norm_target_weight=True``. Defaults to None, which means no such loss.
        score_by_oks (bool): Whether the centerness branch learns the OKS of the predicted pose
            instead of the centerness. The score of a person is then the classification score
            times the expected OKS, as in `IoU-aware detectors
            <https://arxiv.org/abs/1912.05992>`_ for boxes. Defaults to False.
        **kwargs: The other arguments of :class:`DirectPoseHead`.
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
            # The sigmas are not saved, so that checkpoints of the paper's head fit.
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
        """Decide which locations learn which person, by the assigner if there is one.

        Args:
            cls_scores, keypoint_preds, batch_gt_instances: See
                :meth:`DirectPoseHead.loss_by_feat`.

        Returns:
            PositiveTargets: The targets of the P locations that learn a person.
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
        """Compute the targets of the centerness branch.

        Args:
            keypoint_pred (Tensor): Predicted keypoints of shape (P, K, 2), relative to the
                location, in strides. No gradient reaches them.
            targets (PositiveTargets): The targets of the P locations.

        Returns:
            Tensor: Targets of shape (P, ). With ``score_by_oks`` they are the OKS of the
            predictions, and else the centerness.
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
        """Compute the losses of the raw maps for given targets.

        Args:
            cls_scores, keypoint_preds, centernesses: See :meth:`DirectPoseHead.loss_by_feat`.
            targets (PositiveTargets): The targets of the locations that learn a person.

        Returns:
            dict[str, Tensor]: The losses of :meth:`DirectPoseHead.loss_by_feat` and, if it is
            set, ``loss_oks``. Like the L1 loss, it is a weighted mean over locations.
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
    """Convert the people's areas, of shape (P, ), to square strides of their locations."""
    return targets.areas / targets.strides**2
