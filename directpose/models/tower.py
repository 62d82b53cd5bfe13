"""The towers of the heads: convolutions with group normalisation."""

from mmcv.cnn import ConvModule
from torch import nn


def make_tower(
    in_channels: int, channels: int, num_convs: int, num_norm_groups: int, groups: int = 1
) -> nn.Sequential:
    """3x3 convolutions with GN and ReLU; the first is dense, the others have ``groups``.

    Args:
        in_channels (int): Channels of the features.
        channels (int): Channels of each convolution's output.
        num_convs (int): The number of convolutions.
        num_norm_groups (int): Groups of the group normalisation.
        groups (int): Groups of all convolutions but the first. Defaults to 1.

    Returns:
        nn.Sequential: (N, in_channels, H, W) to (N, channels, H, W).
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
