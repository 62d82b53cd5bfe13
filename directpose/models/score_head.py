"""A score for each keypoint, and whether it is hidden. Not of the paper."""

from collections.abc import Sequence

import torch
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from torch import Tensor

from .oks_head import DirectPoseOKSHead, areas_in_strides
from .targets import PositiveTargets, at_positives

_ENOUGH = 1000
"""Of so many labelled keypoints one is visible, if the data set tells hidden from visible."""


@MODELS.register_module()
class DirectPoseScoreHead(DirectPoseOKSHead):
    """A :class:`DirectPoseOKSHead` that rates each keypoint.

    A keypoint's score is what COCO's object keypoint similarity (OKS) will say of it:
    ``exp(-d^2 / (2 s^2 k^2))`` with its distance d to the annotated keypoint, the person's area
    s^2 and the keypoint's ``k = 2 sigma``, and 0 where no keypoint is annotated. The second output
    tells if the keypoint is hidden (v = 1 in COCO's annotations). The data set must keep
    COCO's visibility: ``keep_visibility=True`` of
    :class:`~directpose.datasets.BottomupCocoDataset`.

    Args:
        metainfo (dict): See :class:`DirectPoseHead`.
        scores_alone (bool): Whether the scores alone are trained. Their loss reaches no other
            weight, so those of a trained model stay as they are. Defaults to False.
        loss_keypoint_score (dict): Loss of both outputs, called with logits and targets from 0
            to 1.
        keypoint_branch (dict): Defaults to :class:`~.scored_kpalign.ScoredKPAlign`.
        **kwargs: See :class:`DirectPoseOKSHead`.
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
        self.scores_alone = scores_alone
        # Labelled keypoints so far; None once one of them was visible.
        self._unseen: int | None = 0
        self.loss_keypoint_score = MODELS.build(loss_keypoint_score)
        sigmas = torch.as_tensor(self.metainfo['sigmas'])  # (K, )
        self.register_buffer('sigmas', sigmas, persistent=False)

    def forward(self, feats: Sequence[Tensor]) -> tuple[list[Tensor], ...]:
        """Raw maps of every level.

        Args:
            feats (Sequence[Tensor]): (N, in_channels, H, W) a level, finest first.

        Returns:
            Tuple[List[Tensor], ...]: What :meth:`DirectPoseHead.forward` returns and, as a
            fourth, logits (N, 2K, H, W) a level: for each keypoint in turn of its score, and of
            being hidden.
        """
        cls_scores, (keypoint_preds, keypoint_logits), centernesses = super().forward(feats)
        return cls_scores, keypoint_preds, centernesses, keypoint_logits

    def train(self, mode: bool = True) -> 'DirectPoseScoreHead':
        """Switch to training or evaluation; batch norm only learns if not the scores alone do."""
        super().train(mode)
        if self.scores_alone and self.heatmap_head is not None:
            self.heatmap_head.eval()
        return self

    def loss(
        self, feats: Sequence[Tensor], batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Losses of a batch, see :meth:`DirectPoseHead.loss`.

        Args:
            feats, batch_data_samples, train_cfg: See :meth:`DirectPoseHead.loss`.

        Returns:
            Dict[str, Tensor]: The losses of :class:`DirectPoseOKSHead`, ``loss_keypoint_score``
            and ``loss_hidden``; with ``scores_alone`` the last two.
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
        """Losses of the raw maps that :meth:`forward` returns.

        Args:
            cls_scores, keypoint_preds, centernesses, batch_gt_instances: See
                :meth:`DirectPoseHead.loss_by_feat`.
            keypoint_logits (Sequence[Tensor]): (N, 2K, H, W) a level, see :meth:`forward`.

        Returns:
            Dict[str, Tensor]: The losses of :meth:`DirectPoseHead.loss_by_feat`,
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
        """Refuse data that have v = 1 for all labelled keypoints, hidden or not."""
        if self._unseen is None:
            return
        self._unseen += int(labelled.sum())
        if (hidden < labelled).any():
            self._unseen = None  # from now on nobody waits for the device
        elif self._unseen >= _ENOUGH:
            raise ValueError(
                f'none of the first {self._unseen} labelled keypoints is visible (v = 2): set '
                'keep_visibility=True of the training data set, which otherwise has 1 for all '
                'labelled keypoints'
            )

    def _similarity(self, keypoint_pred: Tensor, targets: PositiveTargets) -> Tensor:
        """The part (P, K) that each predicted keypoint has in the OKS."""
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
        """Poses of the raw maps that :meth:`forward` returns, with a score for each keypoint.

        Args:
            cls_scores, keypoint_preds, centernesses, batch_img_metas, cfg: See
                :meth:`DirectPoseHead.predict_by_feat`.
            keypoint_logits (Sequence[Tensor]): (N, 2K, H, W) a level, see :meth:`forward`.

        Returns:
            List[InstanceData]: As of :meth:`DirectPoseHead.predict`, in input pixels. Here
            ``keypoint_scores`` (n, K) are the keypoints' own, and there is
            ``keypoints_hidden`` (n, K), the probability that each one is hidden.
        """
        outputs = (cls_scores, keypoint_preds, centernesses, keypoint_logits)
        return self._decode(outputs, batch_img_metas, cfg)
