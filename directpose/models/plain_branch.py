"""The naive way, which KPAlign improves on: every keypoint from the location's own features."""

from collections.abc import Sequence

from mmpose.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class PlainKeypointBranch(nn.Module):
    """Regress the keypoints by one convolution on the tower (paper section 3.1).

    The ablation without KPAlign, in its place as the head's ``keypoint_branch``. Give the head
    ``groups=None`` with it: the tower is then dense, like that of FCOS's boxes.

    Args:
        channels (int): Channels of each group in the input.
        groups (Sequence[Sequence[int]]): The keypoint indices in each group.
        **kwargs: What :class:`~.kpalign.KPAlign` is given too; not used.
    """

    def __init__(self, channels: int, groups: Sequence[Sequence[int]], **kwargs) -> None:
        super().__init__()
        num_keypoints = sum(len(group) for group in groups)
        self.conv = nn.Conv2d(channels * len(groups), 2 * num_keypoints, 3, padding=1)

    def forward(self, feats: Sequence[Tensor]) -> list[Tensor]:
        """Keypoints at every cell of every level.

        Args:
            feats (Sequence[Tensor]): (N, G * channels, H, W) a level, finest first.

        Returns:
            List[Tensor]: (N, 2K, H, W) a level: x1, y1, x2, y2, ... in units of the level's
            stride, relative to the location of the cell.
        """
        return [self.conv(feat) for feat in feats]
