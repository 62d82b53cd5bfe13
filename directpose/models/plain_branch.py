"""Keypoints from the features of the location itself: what KPAlign improves on."""

from collections.abc import Mapping, Sequence

from mmpose.registry import MODELS
from torch import Tensor, nn

from .cells import Cells


@MODELS.register_module()
class PlainKeypointBranch(nn.Module):
    """Predict the keypoints by a single convolution on the keypoint tower (paper section 3.1).

    This is the ablation without KPAlign. It takes the place of KPAlign as the head's
    ``keypoint_branch``. Set ``groups=None`` of the head as well, so that the keypoint tower has no
    groups, like FCOS's tower for boxes.

    Args:
        channels (int): Number of input channels of each group.
        groups (Sequence[Sequence[int]]): The keypoint indices of each group.
        **kwargs: The other arguments of :class:`~.kpalign.KPAlign`, which are not used.
    """

    def __init__(self, channels: int, groups: Sequence[Sequence[int]], **kwargs) -> None:
        super().__init__()
        num_keypoints = sum(len(group) for group in groups)
        self.conv = nn.Conv2d(channels * len(groups), 2 * num_keypoints, 3, padding=1)

    def forward(self, feats: Sequence[Tensor]) -> dict[str, list[Tensor]]:
        """Predict the keypoints at every cell of every level.

        Args:
            feats (Sequence[Tensor]): Feature maps of the keypoint tower, finest level first. Each
                has shape (N, G * channels, H, W), where G is the number of groups.

        Returns:
            dict[str, list[Tensor]]: ``keypoint_pred``, for each level keypoints of shape
            (N, 2K, H, W). The channels are x1, y1, x2, y2, ..., relative to the location of the
            cell, in units of the level's stride.
        """
        return dict(keypoint_pred=[self.conv(feat) for feat in feats])

    encode = forward  # nothing is sampled after the convolution

    def predict_at(self, maps: Mapping[str, Sequence[Tensor]], cells: Cells) -> dict[str, Tensor]:
        """Read the keypoints at some cells.

        Args:
            maps (Mapping[str, Sequence[Tensor]]): The maps of :meth:`forward`.
            cells (Cells): The P cells.

        Returns:
            dict[str, Tensor]: ``keypoint_pred``, of shape (N, 2K, P).
        """
        return dict(keypoint_pred=cells.read(maps['keypoint_pred']))
