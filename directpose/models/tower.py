"""The towers of the heads: stacks of convolutions with group normalisation."""

from mmcv.cnn import ConvModule
from torch import nn


def make_tower(
    in_channels: int, channels: int, num_convs: int, num_norm_groups: int, groups: int = 1
) -> nn.Sequential:
    """Build a stack of 3x3 convolutions, each followed by group normalisation and ReLU.

    Args:
        in_channels (int): Number of channels of the input.
        channels (int): Number of output channels of each convolution.
        num_convs (int): Number of convolutions.
        num_norm_groups (int): Number of groups of the group normalisation.
        groups (int): Number of groups of all convolutions but the first, which always has one.
            Defaults to 1.

    Returns:
        nn.Sequential: The tower. It maps (N, in_channels, H, W) to (N, channels, H, W).
    """
    return nn.Sequential(
        *[
            ConvModule(
                in_channels if i == 0 else channels,
                channels,
                3,
                padding=1,
                bias=True,
                groups=1 if i == 0 else groups,
                norm_cfg=dict(type='GN', num_groups=num_norm_groups),
            )
            for i in range(num_convs)
        ]
    )
