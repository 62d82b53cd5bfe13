"""The branch that predicts boxes as FCOS does (arXiv 1904.01355). This is not in the paper."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from .tower import make_tower


@MODELS.register_module()
class BoxBranch(BaseModule):
    """Predict the distances from a location to the four sides of its person's box.

    The branch is a tower and one convolution. The exponential function makes the distances
    positive. They are in units of the level's stride, so FCOS's learned scale of each level is
    not needed.

    Args:
        in_channels (int): Number of channels of the features.
        feat_channels (int): Number of channels of the tower. It must be a multiple of 32.
            Defaults to 256.
        stacked_convs (int): Number of convolutions in the tower. Defaults to 4.
    """

    def __init__(self, in_channels: int, feat_channels: int = 256, stacked_convs: int = 4) -> None:
        super().__init__(init_cfg=dict(type='Normal', layer='Conv2d', std=0.01))
        self.tower = make_tower(in_channels, feat_channels, stacked_convs, num_norm_groups=32)
        self.conv = nn.Conv2d(feat_channels, 4, 3, padding=1)

    def forward(self, feats: Sequence[Tensor]) -> list[Tensor]:
        """Predict the distances at every cell of every level.

        Args:
            feats (Sequence[Tensor]): For each level, features of shape (N, in_channels, H, W).

        Returns:
            list[Tensor]: For each level, the distances to the left, top, right and bottom side,
            of shape (N, 4, H, W), positive and in units of the level's stride. They have at least
            single precision.
        """
        logits = [self.conv(self.tower(feat)) for feat in feats]
        return [x.to(torch.promote_types(x.dtype, torch.float32)).exp() for x in logits]
