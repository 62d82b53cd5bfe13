"""ResNet that blurs feature maps before it subsamples them (Zhang, arXiv 1904.11486)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from .recompute import recompute


class BlurPool(nn.Module):
    """Blur a feature map with the 3x3 binomial filter and keep every second pixel.

    The filter is the outer product of [1, 2, 1] with itself, divided by its sum. The border is
    padded by reflection. The filter is constant. It is in the state dict, as ``filt``, because
    the published weights contain it.

    Args:
        channels (int): Number of channels of the input and of the output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0])
        filt = torch.outer(taps, taps)
        filt = (filt / filt.sum()).expand(channels, 1, 3, 3)  # (C, 1, 3, 3)
        self.register_buffer('filt', filt.contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / 2), ceil(W / 2))."""
        x = F.pad(x, (1, 1, 1, 1), mode='reflect')
        return F.conv2d(x, self.filt, stride=2, groups=len(self.filt))


def _shortcut(in_channels: int, channels: int, stride: int, norm_cfg: dict) -> nn.Sequential | None:
    """Build the layers that bring a block's input to the shape of its output, where they differ."""
    if stride == 1 and in_channels == channels:
        return None
    layers = [] if stride == 1 else [BlurPool(in_channels)]
    layers.append(nn.Conv2d(in_channels, channels, 1, bias=False))
    layers.append(build_norm_layer(norm_cfg, channels)[1])
    return nn.Sequential(*layers)


def _blurred(conv: nn.Conv2d, stride: int) -> nn.Module:
    """Put a blur before ``conv`` if the block has stride 2."""
    return conv if stride == 1 else nn.Sequential(BlurPool(conv.in_channels), conv)


class BasicBlock(nn.Module):
    """Residual block of two 3x3 convolutions. With stride 2 it blurs before the second one.

    Args:
        in_channels (int): Number of input channels.
        width (int): Number of channels of both convolutions, and so of the output.
        stride (int): 1 or 2.
        norm_cfg (dict): Config of the norm layers.
    """

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int, norm_cfg: dict) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = build_norm_layer(norm_cfg, width)[1]
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _blurred(nn.Conv2d(width, width, 3, padding=1, bias=False), stride)
        self.bn2 = build_norm_layer(norm_cfg, width)[1]
        self.downsample = _shortcut(in_channels, width, stride, norm_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, width, H / stride, W / stride)."""
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class Bottleneck(nn.Module):
    """Residual block of 1x1, 3x3 and 1x1 convolutions. With stride 2 it blurs before the last one.

    Args:
        in_channels (int): Number of input channels.
        width (int): Number of channels inside the block. The output has four times as many.
        stride (int): 1 or 2.
        norm_cfg (dict): Config of the norm layers.
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int, norm_cfg: dict) -> None:
        super().__init__()
        channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = build_norm_layer(norm_cfg, width)[1]
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = build_norm_layer(norm_cfg, width)[1]
        self.conv3 = _blurred(nn.Conv2d(width, channels, 1, bias=False), stride)
        self.bn3 = build_norm_layer(norm_cfg, channels)[1]
        self.downsample = _shortcut(in_channels, channels, stride, norm_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, 4 * width, H / stride, W / stride)."""
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += identity
        return self.relu(out)


@MODELS.register_module()
class ResNetAA(BaseModule):
    """Anti-aliased ResNet with 3x3 blur filters, the variant that is published as ``lpf3``.

    The max pooling and every block of stride 2 blur before they subsample. The first convolution
    keeps its plain stride of 2.

    The parameters have torchvision's names, and the blur filters are added to them. So the
    published ``resnet*_lpf3`` weights load unchanged, with
    ``init_cfg=dict(type='Pretrained', checkpoint=...)``. Their classifier ``fc.*`` has no place
    here: the log reports it and it is left out.

    Args:
        depth (int): 18, 34, 50 or 101.
        base_channels (int): Number of channels of the stem and of the first stage. Defaults to
            64.
        out_indices (Sequence[int]): Indices of the stages whose outputs are returned. Stage i
            has stride ``4 * 2**i``. Defaults to (1, 2, 3), the maps C3 to C5.
        frozen_stages (int): 0 freezes the stem. A number from 1 to 4 freezes the stem and this
            many stages. Frozen batch norm keeps its statistics. This is what ``frozen_stages`` of
            mmdet's ``ResNet`` does. Defaults to -1, which trains everything.
        norm_cfg (dict): Config of the norm layers. Defaults to batch norm that is trained.
        with_cp (bool): Recompute each block in the backward pass instead of keeping its
            activations. This takes less memory and more time. Defaults to False.
        init_cfg (dict, optional): Initialisation of the weights. Defaults to Kaiming for the
            convolutions, as in torchvision.

    Raises:
        ValueError: If ``depth``, ``out_indices`` or ``frozen_stages`` has a value that no ResNet
            has.
    """

    arch_settings = {
        18: (BasicBlock, (2, 2, 2, 2)),
        34: (BasicBlock, (3, 4, 6, 3)),
        50: (Bottleneck, (3, 4, 6, 3)),
        101: (Bottleneck, (3, 4, 23, 3)),
    }

    def __init__(
        self,
        depth: int,
        base_channels: int = 64,
        out_indices: Sequence[int] = (1, 2, 3),
        frozen_stages: int = -1,
        norm_cfg: dict | None = None,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        if depth not in self.arch_settings:
            raise ValueError(f'ResNetAA has no depth {depth}; it has {sorted(self.arch_settings)}')
        if not out_indices or not set(out_indices) <= {0, 1, 2, 3}:
            raise ValueError(
                f'out_indices {tuple(out_indices)} of ResNetAA must name stages out of 0, 1, 2, 3'
            )
        if not -1 <= frozen_stages <= max(out_indices) + 1:
            raise ValueError(
                f'frozen_stages {frozen_stages} of ResNetAA must be -1 for none, 0 for the stem, '
                f'or at most {max(out_indices) + 1}, the number of its stages'
            )
        if init_cfg is None:
            init_cfg = dict(type='Kaiming', layer='Conv2d')
        super().__init__(init_cfg)
        norm_cfg = norm_cfg or dict(type='BN')
        block, num_blocks = self.arch_settings[depth]
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.with_cp = with_cp

        self.conv1 = nn.Conv2d(3, base_channels, 7, stride=2, padding=3, bias=False)
        self.bn1 = build_norm_layer(norm_cfg, base_channels)[1]
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Sequential(nn.MaxPool2d(kernel_size=2, stride=1), BlurPool(base_channels))
        channels = base_channels
        for i in range(max(out_indices) + 1):
            width = base_channels * 2**i
            blocks = []
            for j in range(num_blocks[i]):
                stride = 2 if i > 0 and j == 0 else 1
                blocks.append(block(channels, width, stride, norm_cfg))
                channels = width * block.expansion
            self.add_module(f'layer{i + 1}', nn.Sequential(*blocks))
        self._freeze()

    def _freeze(self) -> None:
        """Exclude the stem and the frozen stages from training."""
        if self.frozen_stages < 0:
            return
        layers = [getattr(self, f'layer{i + 1}') for i in range(self.frozen_stages)]
        for module in (self.conv1, self.bn1, *layers):
            module.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> 'ResNetAA':
        """Switch to training or evaluation mode. Frozen stages stay in evaluation mode.

        Args:
            mode (bool): True for training mode. Defaults to True.
        """
        super().train(mode)
        self._freeze()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps of a batch of images.

        Args:
            x (Tensor): (N, 3, H, W).

        Returns:
            tuple[Tensor, ...]: The maps of the stages in ``out_indices``, finest first. The map
            of stage i has ``base_channels * 2**i * expansion`` channels and stride ``4 * 2**i``.
        """
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        outs = []
        for i in range(max(self.out_indices) + 1):
            for block in getattr(self, f'layer{i + 1}'):
                if self.with_cp and x.requires_grad:
                    x = recompute(block, x)
                else:
                    x = block(x)
            if i in self.out_indices:
                outs.append(x)
        return tuple(outs)
