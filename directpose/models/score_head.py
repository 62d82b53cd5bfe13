"""A head that predicts a score for each keypoint, and whether it is hidden. Not in the paper."""

from collections.abc import Sequence

import torch
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from torch import Tensor

from .oks_head import DirectPoseOKSHead, areas_in_strides
from .scored_kpalign import ScoredKPAlign
from .targets import PositiveTargets, at_positives

_ENOUGH = 1000
"""After this many labelled keypoints, one must have been visible.

If none was, the data set does not tell hidden keypoints from visible ones.
"""


@MODELS.register_module()
class DirectPoseScoreHead(DirectPoseOKSHead):
    """A :class:`DirectPoseOKSHead` that also rates each keypoint.

    The score of a keypoint predicts its part in COCO's object keypoint similarity (OKS), which is
    ``exp(-d^2 / (2 s^2 k^2))``. Here d is the distance to the annotated keypoint, s^2 is the
    person's area, and k is twice the sigma of the keypoint. Where no keypoint is annotated, the
    target is 0. A second output predicts whether the keypoint is hidden, which COCO annotates as
    v = 1. Therefore the data set must keep COCO's visibility, with ``keep_visibility=True`` of
    :class:`~directpose.datasets.BottomupCocoDataset`.

    Args:
        metainfo (dict): See :class:`DirectPoseHead`.
        scores_alone (bool): Whether to train only the convolutions of the scores. All other
            weights of the model then stay as they are. So do the statistics of the backbone's batch
            norm if the backbone is frozen or has ``norm_eval=True``. Defaults to False.
        loss_keypoint_score (dict): Config of the loss of both outputs. The loss is called with
            logits and with targets between 0 and 1.
        keypoint_branch (dict): Config of the keypoint branch. Defaults to
            :class:`~.scored_kpalign.ScoredKPAlign`.
        **kwargs: The other arguments of :class:`DirectPoseOKSHead`.

    Raises:
        ValueError: If the keypoint branch does not rate keypoints.
    """

    output_names = (*DirectPoseOKSHead.output_names, 'keypoint_logit')

    def __init__(
        self,
        metainfo: dict,
        scores_alone: bool = False,
        loss_keypoint_score: dict = dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True),
        keypoint_branch: dict = dict(type='ScoredKPAlign'),
        **kwargs,
    ) -> None:
        super().__init__(metainfo, keypoint_branch=keypoint_branch, **kwargs)
        if not isinstance(self.keypoint_branch, ScoredKPAlign):
            raise ValueError(
                'DirectPoseScoreHead needs a keypoint_branch that rates keypoints: set its type to '
                f"'ScoredKPAlign', not '{type(self.keypoint_branch).__name__}'"
            )
        self.scores_alone = scores_alone
        # Number of labelled keypoints so far, or None as soon as one of them was visible.
        self._unseen: int | None = 0
        self.loss_keypoint_score = MODELS.build(loss_keypoint_score)
        sigmas = torch.as_tensor(self.metainfo['sigmas'])  # (K, )
        self.register_buffer('sigmas', sigmas, persistent=False)

    def train(self, mode: bool = True) -> 'DirectPoseScoreHead':
        """Switch to training or evaluation mode.

        With ``scores_alone``, the heatmap branch stays in evaluation mode, so that its batch norm
        keeps its statistics.

        Args:
            mode (bool): True for training mode. Defaults to True.
        """
        super().train(mode)
        if self.scores_alone and self.heatmap_head is not None:
            self.heatmap_head.eval()
        return self

    def loss(
        self, feats: Sequence[Tensor], batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Args:
            feats, batch_data_samples, train_cfg: See :meth:`DirectPoseHead.loss`.

        Returns:
            dict[str, Tensor]: ``loss_keypoint_score``, ``loss_hidden`` and, unless
            ``scores_alone`` is set, the losses of :class:`DirectPoseOKSHead`.
        """
        losses = super().loss(feats, batch_data_samples, train_cfg)
        if self.scores_alone:
            return {name: losses[name] for name in ('loss_keypoint_score', 'loss_hidden')}
        return losses

    def loss_by_feat(
        self,
        cls_scores: Sequence[Tensor],
        keypoint_preds: Sequence[Tensor],
        centernesses: Sequence[Tensor],
        keypoint_logits: Sequence[Tensor],
        batch_gt_instances: Sequence[InstanceData],
    ) -> dict[str, Tensor]:
        """Compute the losses of the raw maps that :meth:`forward` returns.

        Args:
            cls_scores, keypoint_preds, centernesses, batch_gt_instances: See
                :meth:`DirectPoseHead.loss_by_feat`.
            keypoint_logits (Sequence[Tensor]): For each level, logits of shape (N, 2K, H, W), see
                :meth:`forward`.

        Returns:
            dict[str, Tensor]: The losses of :meth:`DirectPoseHead.loss_by_feat`,
            ``loss_keypoint_score`` and ``loss_hidden``.

        Raises:
            ValueError: If none of the first 1000 labelled keypoints is visible (v = 2).
        """
        targets = self.get_targets(cls_scores, keypoint_preds, batch_gt_instances)
        losses = self.loss_by_targets(cls_scores, keypoint_preds, centernesses, targets)
        keypoint_pred = at_positives(keypoint_preds, targets).unflatten(1, (-1, 2)).detach()
        logits = at_positives(keypoint_logits, targets).unflatten(1, (-1, 2))  # (P, K, 2)
        labelled = targets.visible  # (P, K)
        hidden = (targets.visibility == 1).to(labelled)
        self._check_visibility(labelled, hidden)
        losses['loss_keypoint_score'] = self.loss_keypoint_score(
            logits[..., 0].flatten(),
            (labelled * self._similarity(keypoint_pred, targets)).flatten(),
            avg_factor=max(labelled.numel(), 1),
        )
        losses['loss_hidden'] = self.loss_keypoint_score(
            logits[..., 1].flatten(),
            hidden.flatten(),
            weight=labelled.flatten(),
            avg_factor=labelled.sum().clamp(min=1),
        )
        return losses

    def _check_visibility(self, labelled: Tensor, hidden: Tensor) -> None:
        """Raise an error if the data has v = 1 for all labelled keypoints, hidden or not."""
        if self._unseen is None:
            return
        self._unseen += int(labelled.sum())
        if (hidden < labelled).any():
            self._unseen = None  # from now on no step waits for the device
        elif self._unseen >= _ENOUGH:
            raise ValueError(
                f'none of the first {self._unseen} labelled keypoints is visible (v = 2): set '
                'keep_visibility=True of the training data set, which otherwise has 1 for all '
                'labelled keypoints'
            )

    def _similarity(self, keypoint_pred: Tensor, targets: PositiveTargets) -> Tensor:
        """Compute the OKS of each predicted keypoint alone, of shape (P, K)."""
        distance = (keypoint_pred - targets.keypoints).square().sum(dim=-1)  # (P, K), squared
        area = areas_in_strides(targets).clamp(min=1e-6)[:, None]  # (P, 1)
        return torch.exp(-distance / (2 * area * (2 * self.sigmas) ** 2))

    def predict_by_feat(
        self,
        cls_scores: Sequence[Tensor],
        keypoint_preds: Sequence[Tensor],
        centernesses: Sequence[Tensor],
        keypoint_logits: Sequence[Tensor],
        batch_img_metas: Sequence[dict],
        cfg: dict,
    ) -> list[InstanceData]:
        """Decode the raw maps that :meth:`forward` returns into poses with keypoint scores.

        Args:
            cls_scores, keypoint_preds, centernesses, batch_img_metas, cfg: See
                :meth:`DirectPoseHead.predict_by_feat`.
            keypoint_logits (Sequence[Tensor]): For each level, logits of shape (N, 2K, H, W), see
                :meth:`forward`.

        Returns:
            list[InstanceData]: The poses of each image, with the fields of
            :meth:`DirectPoseHead.predict`. Here ``keypoint_scores`` of shape (n, K) has a score
            for each keypoint. The field ``keypoints_hidden`` of shape (n, K) is added, the
            probability that a keypoint is hidden.
        """
        outputs = (cls_scores, keypoint_preds, centernesses, keypoint_logits)
        return self._decode(outputs, batch_img_metas, cfg)
