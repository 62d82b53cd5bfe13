"""Prepare a trained model for speed."""

import torch
from mmcv.cnn.utils import fuse_conv_bn
from mmengine.model import BaseTTAModel, is_model_wrapper, revert_sync_batchnorm
from torch import Tensor, nn

from directpose.models.resnet_aa import BasicBlock, Bottleneck

from . import memory

PRECISIONS = dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)
"""The types to compute in, by the names that command lines have for them."""


class _CastInput:
    """A forward pre-hook that casts a module's first argument.

    It is an object of a class, not a closure, so that a model with this hook can be copied and
    pickled.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __call__(self, module: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        return (args[0].to(self.dtype), *args[1:])


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


def estimator_of(model: nn.Module) -> nn.Module:
    """Return the pose estimator inside a wrapper of MMEngine's, or the model itself.

    Args:
        model (nn.Module): An estimator, perhaps inside a wrapper for distributed runs
            (``MMDistributedDataParallel``) or a model for test-time augmentation
            (:class:`~directpose.models.PoseTTAModel`), or inside both.
    """
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.get_submodule('module')
    return model


def optimize_for_inference(
    model: nn.Module,
    dtype: torch.dtype | None = None,
    compile: bool = False,
    *,
    keep_freed_memory: bool = False,
) -> nn.Module:
    """Prepare a model for speed, **in place**; it cannot be trained any more.

    BN is folded into the convolutions, the heatmap branch is dropped, the weights become
    channels-last and need no gradient. The signature of a call stays the same, and in fp32 so do
    the results, to 1e-4. The prepared model can be copied, pickled and prepared again like any
    other. A copy of a compiled model is not compiled.

    Args:
        model (nn.Module): A pose estimator of mmpose or a detector of mmdet with a backbone, a
            neck and a head, its trained weights loaded. It may stand inside a wrapper: see
            :func:`estimator_of`.
        dtype (torch.dtype, optional): The type to compute in: ``torch.float32``,
            ``torch.bfloat16`` or ``torch.float16``. Poses are decoded in fp32 from what the
            convolutions give. A device without units for the type is slower with it than
            without. A model that was prepared in half precision before keeps its rounded weights.
            By default, the weights keep their type.
        compile (bool): Compile the backbone, the neck and, on a GPU, the head with
            :meth:`torch.nn.Module.compile`. On a CPU the head's group normalisation is slower
            compiled (torch 2.11). The first call compiles, and so does the first call with
            another image size. Defaults to False.
        keep_freed_memory (bool): Let the whole process keep the memory that it frees, which
            makes a model on the CPU faster: see :func:`~directpose.apis.keep_freed_memory`.
            Defaults to False.

    Returns:
        nn.Module: The same model.

    Raises:
        ValueError: If ``dtype`` is another type.
    """
    if dtype not in (None, *PRECISIONS.values()):
        raise ValueError(f'dtype {dtype} must be torch.float32, torch.bfloat16 or torch.float16')
    estimator = estimator_of(model.eval())
    fold_batch_norms(estimator)
    revert_sync_batchnorm(estimator)  # the layers that no convolution stands before
    parts = [part for name, part in estimator.named_children() if name != 'data_preprocessor']
    for part in parts:
        if getattr(part, 'heatmap_head', None) is not None:
            part.register_module('heatmap_head', None)
    # The annotations of torch 2.11 lack this form of `to`.
    estimator.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if dtype is not None:
        for part in parts:
            part.to(dtype)
        _cast_inputs(estimator.get_submodule('backbone'), dtype)
    if keep_freed_memory:
        memory.keep_freed_memory()
    if compile:
        on_cpu = next(estimator.parameters()).device.type == 'cpu'
        for part in parts[:-1] if on_cpu else parts:
            part.compile()
    return model


def _cast_inputs(backbone: nn.Module, dtype: torch.dtype) -> None:
    """Cast what the backbone gets, in place of the type of an earlier preparation."""
    hooks = backbone._forward_pre_hooks
    for key in [key for key, hook in hooks.items() if isinstance(hook, _CastInput)]:
        del hooks[key]
    backbone.register_forward_pre_hook(_CastInput(dtype))
