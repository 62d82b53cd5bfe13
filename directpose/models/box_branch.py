"""FCOS's boxes (arXiv 1904.01355) beside the keypoints, in the same shot."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from .tower import make_tower


@MODELS.register_module()
class BoxBranch(BaseModule):
    """Regresses the distances from a location to the four sides of its person's box.

    A tower of its own and one convolution; the exponential keeps the distances above 0. They are
    in strides, so the levels need no scales.

    Args:
        in_channels (int): Channels of the features.
        feat_channels (int): Channels of the tower, a multiple of 32. Defaults to 256.
        stacked_convs (int): Convolutions in the tower. Defaults to 4.
    """

    def __init__(self, in_channels: int, feat_channels: int = 256, stacked_convs: int = 4) -> None:
        super().__init__(init_cfg=dict(type='Normal', layer='Conv2d', std=0.01))
        self.tower = make_tower(in_channels, feat_channels, stacked_convs, num_norm_groups=32)
        self.conv = nn.Conv2d(feat_channels, 4, 3, padding=1)

    def forward(self, feats: Sequence[Tensor]) -> list[Tensor]:
        """Features (N, C, H, W) to distances (N, 4, H, W), a level each.

        Left, top, right, bottom, above 0, in units of the level's stride; at least fp32.
        """
        logits = [self.conv(self.tower(feat)) for feat in feats]
        return [x.to(torch.promote_types(x.dtype, torch.float32)).exp() for x in logits]
