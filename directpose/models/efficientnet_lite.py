"""EfficientNet-Lite0: a trunk that is quick on a CPU and may be used in products."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmcv.cnn.bricks import Conv2dAdaptivePadding
from mmdet.models.layers import InvertedResidual
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

# Blocks, kernel size, stride, expansion and output channels of each stage.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# The last stage at each stride that the neck gets: 8, 16 and 32.
_OUT_STAGES = (2, 4, 6)


class SameConv2d(Conv2dAdaptivePadding):
    """MMCV's convolution with TensorFlow's padding ``SAME``, for export too.

    A traced graph of MMCV's pads right only at the size that it was traced with: one half of the
    formula becomes a constant, the other half stays a size. Here the padding as a whole becomes
    a constant. It is the same for all sizes that are multiples of the stride, as those of padded
    batches are.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        padding = []  # of height and width
        for axis in (0, 1):
            left_over = int(x.shape[2 + axis]) % self.stride[axis]
            padding.append(max(self.kernel_size[axis] - (left_over or self.stride[axis]), 0))
        height, width = padding
        if height % 2 or width % 2:  # the odd one goes to the end
            x = F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
            height = width = 0
        if self.groups > 1 and self.weight.requires_grad and torch.is_autocast_enabled('cpu'):
            # The backward pass of a depthwise convolution in bfloat16 takes twice to seven times
            # as long on a CPU as in float32 with channels last.
            with torch.autocast('cpu', enabled=False):
                x = x.to(torch.float32, memory_format=torch.channels_last)
                return self._convolve(x, (height // 2, width // 2))
        return self._convolve(x, (height // 2, width // 2))

    def _convolve(self, x: Tensor, padding: tuple[int, int]) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


@MODELS.register_module()
class EfficientNetLite0(BaseModule):
    """EfficientNet-Lite0 without its classifier.

    EfficientNet-B0 (`arXiv 1905.11946 <https://arxiv.org/abs/1905.11946>`_) without squeeze and
    excitation, with ReLU6 for swish: operators that every runtime has. Strided convolutions pad
    as TensorFlow's ``SAME`` does, so published weights fit. Those expect RGB,
    ``(pixel - 127) / 128``.

    Args:
        frozen_stages (int): The stem and this many of the seven stages keep their weights. -1
            trains everything. Defaults to -1.
        norm_eval (bool): Whether batch norm keeps its statistics in training. Defaults to False.
        init_cfg (dict, optional): For ImageNet's weights
            ``dict(type='Pretrained', checkpoint='directpose://efficientnet-lite0_imagenet')``.

    Raises:
        ValueError: If ``frozen_stages`` is not in -1 .. 7.

    Example:
        >>> import torch
        >>> from directpose.models import EfficientNetLite0
        >>> [tuple(feat.shape) for feat in EfficientNetLite0()(torch.zeros(1, 3, 64, 96))]
        [(1, 40, 8, 12), (1, 112, 4, 6), (1, 320, 2, 3)]
    """

    def __init__(
        self, frozen_stages: int = -1, norm_eval: bool = False, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        if not -1 <= frozen_stages <= len(_STAGES):
            raise ValueError(
                f'frozen_stages of EfficientNetLite0 must be in -1 .. {len(_STAGES)}, '
                f'but is {frozen_stages}'
            )
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        layers = dict(
            conv_cfg=dict(type=SameConv2d),
            norm_cfg=dict(type='BN', eps=1e-3, momentum=0.01),
            act_cfg=dict(type='ReLU6'),
        )
        channels = 32
        self.stem = ConvModule(3, channels, 3, stride=2, bias=False, **layers)
        self.stages = nn.ModuleList()
        for num_blocks, kernel_size, stride, expansion, out_channels in _STAGES:
            blocks = []
            for index in range(num_blocks):
                blocks.append(
                    InvertedResidual(
                        channels,
                        out_channels,
                        channels * expansion,
                        kernel_size,
                        stride if index == 0 else 1,
                        with_expand_conv=expansion > 1,
                        **layers,
                    )
                )
                channels = out_channels
            self.stages.append(nn.Sequential(*blocks))
        self._freeze()

    def forward(self, images: Tensor) -> Sequence[Tensor]:
        """Features of a batch.

        Args:
            images (Tensor): (N, 3, H, W), RGB, normalised.

        Returns:
            tuple[Tensor, ...]: (N, 40, H / 8, W / 8), (N, 112, H / 16, W / 16) and
            (N, 320, H / 32, W / 32).
        """
        feats = []
        if self.training:  # a third faster on a CPU; the rest of the model is not
            images = images.contiguous(memory_format=torch.channels_last)
        x = self.stem(images)
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in _OUT_STAGES:
                feats.append(x.contiguous())
        return tuple(feats)

    def train(self, mode: bool = True) -> 'EfficientNetLite0':
        """Switch to training or evaluation, except for what is frozen."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze(self) -> None:
        """Keep the weights and statistics of the stem and the frozen stages."""
        if self.frozen_stages < 0:
            return
        for part in (self.stem, *self.stages[: self.frozen_stages]):
            part.eval()
            part.requires_grad_(False)
