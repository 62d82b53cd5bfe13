"""Prepare a trained model for speed."""

import torch
from mmcv.cnn.utils import fuse_conv_bn
from mmengine.model import revert_sync_batchnorm
from torch import Tensor, nn

from directpose.models.resnet_aa import BasicBlock, Bottleneck

from .memory import keep_freed_memory

PRECISIONS = dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)
"""The types to compute in, by the names that command lines have for them."""


def fold_batch_norms(model: nn.Module) -> nn.Module:
    """Fold BN into the convolutions before it, in place, also where a blur stands before those."""
    fuse_conv_bn(model)
    for block in model.modules():
        if not isinstance(block, (BasicBlock, Bottleneck)):
            continue
        for index in (2, 3):
            conv = getattr(block, f'conv{index}', None)
            if isinstance(conv, nn.Sequential):  # MMCV does not look for BN after a container
                fuse_conv_bn(nn.Sequential(conv[-1], getattr(block, f'bn{index}')))
                setattr(block, f'bn{index}', nn.Identity())
    return model


def optimize_for_inference(
    model: nn.Module, dtype: torch.dtype | None = None, compile: bool = False
) -> nn.Module:
    """Prepare a model for speed, **in place**; it cannot be trained any more.

    BN is folded into the convolutions, the heatmap branch is dropped, the weights become
    channels-last, and calls run in :class:`torch.inference_mode`. The signature of a call stays
    the same, and in fp32 so do the results, to 1e-4. For a model on the CPU, the process keeps
    its freed memory from then on: see :func:`~directpose.apis.keep_freed_memory`.

    Args:
        model (nn.Module): A pose estimator of mmpose or a detector of mmdet with a backbone, a
            neck and a head, its trained weights loaded.
        dtype (torch.dtype, optional): ``torch.bfloat16`` or ``torch.float16`` to compute in.
            Poses are decoded in fp32 from what the convolutions give. A device without units
            for the type is slower with it than without. Defaults to fp32.
        compile (bool): Run backbone, neck and, on a GPU, the head through :func:`torch.compile`.
            On a CPU the head's group normalisation is slower compiled (torch 2.11). The first
            call compiles, as does one of another image size. Defaults to False.

    Returns:
        nn.Module: The same model.

    Raises:
        ValueError: If ``dtype`` is none of these.
    """
    if dtype not in (None, *PRECISIONS.values()):
        raise ValueError(f'dtype {dtype} must be torch.float32, torch.bfloat16 or torch.float16')
    fold_batch_norms(model.eval())
    revert_sync_batchnorm(model)  # what had no convolution to go to
    parts = [part for name, part in model.named_children() if name != 'data_preprocessor']
    for part in parts:
        if getattr(part, 'heatmap_head', None) is not None:
            part.heatmap_head = None
    model.requires_grad_(False).to(memory_format=torch.channels_last)
    if dtype is not None:
        for part in parts:
            part.to(dtype)

        def cast(module: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
            return (args[0].to(dtype), *args[1:])

        model.backbone.register_forward_pre_hook(cast)
    on_cpu = next(model.parameters()).device.type == 'cpu'
    if on_cpu:
        keep_freed_memory()
    if compile:
        for part in parts[:-1] if on_cpu else parts:
            part.forward = torch.compile(part.forward)
    model.forward = torch.inference_mode()(model.forward)
    return model
