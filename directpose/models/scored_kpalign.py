"""KPAlign that rates each keypoint too. Not of the paper."""

from collections.abc import Sequence

from mmpose.registry import MODELS
from torch import Tensor, nn

from .kpalign import KPAlign


@MODELS.register_module()
class ScoredKPAlign(KPAlign):
    """:class:`KPAlign` that also says how good each keypoint is, and whether it is hidden.

    Both come from the features that the keypoint itself comes from, by 1x1 convolutions of their
    own. No gradient of theirs reaches the features or the sampling points: the keypoints are
    those of a :class:`KPAlign` with the same weights, and the scores can be added to a trained
    model.

    Args:
        channels (int): See :class:`KPAlign`.
        groups (Sequence[Sequence[int]]): See :class:`KPAlign`.
        **kwargs: See :class:`KPAlign`.
    """

    def __init__(self, channels: int, groups: Sequence[Sequence[int]], **kwargs) -> None:
        super().__init__(channels, groups, **kwargs)
        self.scorers = nn.ModuleList(nn.Conv2d(channels, 2 * len(group), 1) for group in groups)

    def sample_and_predict(
        self, bases: Sequence[Tensor], sampled: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The sampler, the predictor and the scores.

        Args:
            bases (Sequence[Tensor]): See :meth:`KPAlign.sample_and_predict`.
            sampled (Sequence[Tensor]): See :meth:`KPAlign.sample_and_predict`.

        Returns:
            Tuple[List[Tensor], List[Tensor]]: The keypoints of :meth:`KPAlign.forward`, and
            logits (N, 2K, H, W) a level: for each keypoint in turn of its score, and of being
            hidden.
        """
        keypoints = super().sample_and_predict(bases, sampled)
        bases, sampled = [b.detach() for b in bases], [f.detach() for f in sampled]
        return keypoints, self.in_order(self.predict_at(self.scorers, bases, sampled), bases)
