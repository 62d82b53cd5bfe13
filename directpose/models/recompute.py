"""Gradient checkpointing: the backward pass computes activations again instead of keeping them."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recompute(module: nn.Module, x: Tensor) -> Tensor:
    """Run a module without keeping its activations, which is known as gradient checkpointing.

    The backward pass computes the activations again. Batch norm updates its statistics in the
    forward pass alone, and so once for each batch.

    Args:
        module (nn.Module): A module that takes one tensor.
        x (Tensor): The input of the module.

    Returns:
        Tensor: The output of the module.
    """
    return checkpoint(
        module,
        x,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), _without_statistics(module)),
    )


@contextmanager
def _without_statistics(module: nn.Module) -> Iterator[None]:
    """Let batch norm update copies of its statistics, and throw these copies away at the end."""
    buffers = [
        (norm, name, buffer)
        for norm in module.modules()
        if isinstance(norm, _BatchNorm)
        for name, buffer in norm.named_buffers(recurse=False)
    ]
    for norm, name, buffer in buffers:
        setattr(norm, name, buffer.clone())
    try:
        yield
    finally:
        for norm, name, buffer in buffers:
            setattr(norm, name, buffer)
