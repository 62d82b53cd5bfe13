"""KPAlign that also rates each keypoint. This is not part of the paper."""

from collections.abc import Sequence

from mmpose.registry import MODELS
from torch import Tensor, nn

from .cells import Cells, flatten_levels
from .kpalign import KPAlign


@MODELS.register_module()
class ScoredKPAlign(KPAlign):
    """:class:`KPAlign` that also predicts how good each keypoint is, and whether it is hidden.

    Both predictions are made from the same sampled features as the keypoint, by 1x1 convolutions
    of their own. They pass no gradient to the features or to the sampling points. So the
    keypoints are those of a :class:`KPAlign` with the same weights, and scores can be added to a
    model that is already trained.

    Args:
        channels (int): Number of input channels of each group.
        groups (Sequence[Sequence[int]]): The keypoint indices of each group.
        **kwargs: The other arguments of :class:`KPAlign`.
    """

    def __init__(self, channels: int, groups: Sequence[Sequence[int]], **kwargs) -> None:
        super().__init__(channels, groups, **kwargs)
        self.scorers = nn.ModuleList(nn.Conv2d(channels, 2 * len(group), 1) for group in groups)

    def sample_and_predict(
        self, bases: Sequence[Tensor], sampled: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Run the sampler, the predictor and the convolutions of the scores.

        Args:
            bases (Sequence[Tensor]): See :meth:`KPAlign.sample_and_predict`.
            sampled (Sequence[Tensor]): See :meth:`KPAlign.sample_and_predict`.

        Returns:
            tuple[list[Tensor], list[Tensor]]: The keypoints, as :meth:`KPAlign.forward` returns
            them, and for each level logits of shape (N, 2K, H, W). Each keypoint has two logits:
            the first is for its score, the second for being hidden.
        """
        keypoints = super().sample_and_predict(bases, sampled)
        cells, base = Cells.of(bases), flatten_levels(bases).detach()
        logits = self.predict_at(self.scorers, base, [feat.detach() for feat in sampled], cells)
        return keypoints, self.in_order(logits, bases, cells)
