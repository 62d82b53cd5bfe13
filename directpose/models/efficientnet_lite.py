"""EfficientNet-Lite0: a backbone that is fast on a CPU, with weights that products may use."""

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
# The last stages with stride 8, 16 and 32. Their outputs are returned.
_OUT_STAGES = (2, 4, 6)


class SameConv2d(Conv2dAdaptivePadding):
    """MMCV's convolution with TensorFlow's ``SAME`` padding, which can also be exported.

    In a traced graph, MMCV's own class pads correctly only at the input size of the tracing,
    because a part of its formula becomes a constant and the rest does not. Here the whole padding
    becomes a constant. It is the same for all sizes that are multiples of the stride, and padded
    batches have such sizes.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        padding = []  # of height and width
        for axis in (0, 1):
            left_over = int(x.shape[2 + axis]) % self.stride[axis]
            padding.append(max(self.kernel_size[axis] - (left_over or self.stride[axis]), 0))
        height, width = padding
        if height % 2 or width % 2:  # an odd pixel is added at the end
            sides = (width // 2, width - width // 2, height // 2, height - height // 2)
            # ONNX Runtime makes this a part of the convolution only if the value is given.
            x = F.pad(x, sides, value=0.0)
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

    This is EfficientNet-B0 (`arXiv 1905.11946 <https://arxiv.org/abs/1905.11946>`_) without
    squeeze and excitation, and with ReLU6 in place of swish. Every runtime has its operators.
    Convolutions with a stride pad like TensorFlow's ``SAME``, so that the published weights fit.
    These weights expect RGB pixels as ``(pixel - 127) / 128``.

    Args:
        frozen_stages (int): 0 freezes the stem. A number from 1 to 7 freezes the stem and this
            many stages. Frozen batch norm keeps its statistics. Defaults to -1, which trains
            everything.
        norm_eval (bool): Whether batch norm keeps its statistics in training. Defaults to False.
        init_cfg (dict, optional): Initialisation of the weights. For the weights of ImageNet it
            is ``dict(type='Pretrained', checkpoint='directpose://efficientnet-lite0_imagenet')``.

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
        """Compute the feature maps of a batch of images.

        Args:
            images (Tensor): Normalised RGB images of shape (N, 3, H, W).

        Returns:
            tuple[Tensor, ...]: Feature maps of shape (N, 40, H / 8, W / 8),
            (N, 112, H / 16, W / 16) and (N, 320, H / 32, W / 32).
        """
        feats = []
        if self.training:  # a third faster on a CPU, for this part of the model
            images = images.contiguous(memory_format=torch.channels_last)
        x = self.stem(images)
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in _OUT_STAGES:
                feats.append(x.contiguous())
        return tuple(feats)

    def train(self, mode: bool = True) -> 'EfficientNetLite0':
        """Switch to training or evaluation mode. What is frozen stays in evaluation mode.

        Args:
            mode (bool): True for training mode. Defaults to True.
        """
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze(self) -> None:
        """Exclude the stem and the frozen stages from training."""
        if self.frozen_stages < 0:
            return
        for part in (self.stem, *self.stages[: self.frozen_stages]):
            part.eval()
            part.requires_grad_(False)
