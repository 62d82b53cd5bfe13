"""KPAlign that also rates each keypoint. This is not part of the paper."""

from collections.abc import Mapping, Sequence

from mmpose.registry import MODELS
from torch import Tensor, nn

from .cells import Cells
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

    def project(self, sampled: Sequence[Tensor]) -> dict[str, list[Tensor]]:
        """Apply the predictors and the convolutions of the scores, without their bias.

        Args:
            sampled (Sequence[Tensor]): See :meth:`KPAlign.project`.

        Returns:
            dict[str, list[Tensor]]: The maps of :meth:`KPAlign.project`, and ``keypoint_rating``,
            which has the same shapes. The channels of a group alternate between the logits of a
            keypoint's score and of its being hidden.
        """
        ratings = self.convolve(self.scorers, [feat.detach() for feat in sampled])
        return dict(super().project(sampled), keypoint_rating=ratings)

    def predict_from(
        self,
        points: Sequence[Tensor],
        maps: Mapping[str, Sequence[Tensor]],
        base: Tensor,
        cells: Cells,
    ) -> dict[str, Tensor]:
        """Predict the keypoints, and rate them.

        Args:
            points, maps, base, cells: See :meth:`KPAlign.predict_from`.

        Returns:
            dict[str, Tensor]: The result of :meth:`KPAlign.predict_from`, and ``keypoint_logit``,
            logits of shape (N, 2K, P). Each keypoint has two logits: the first is for its score,
            the second for being hidden.
        """
        detached = [one.detach() for one in points]
        logits = self.sample(self.scorers, maps['keypoint_rating'], detached, cells)
        return dict(
            super().predict_from(points, maps, base, cells), keypoint_logit=self.in_order(logits)
        )
