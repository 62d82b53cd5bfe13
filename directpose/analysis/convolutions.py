"""The convolutions of a network alone: what its time can at best come near to."""

from collections.abc import Callable

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# inference_mode shows the convolution that was called, other modes the one all of them become
_CONVOLUTIONS = (
    torch.ops.aten.convolution.default,
    torch.ops.aten.conv2d.default,
    torch.ops.aten.conv2d.padding,
    torch.ops.aten.conv_transpose2d.input,
    torch.ops.aten.convolution_backward.default,
)


class _Recorder(TorchDispatchMode):
    """Notes the convolutions that run, with their arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in _CONVOLUTIONS:
            self.calls.append((func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))


def record_convolutions(
    call: Callable[[], object], with_gradients: bool = False
) -> Callable[[], None]:
    """Run something once, and get the same convolutions without all the rest.

    A blur that is written as a convolution counts as one. Shapes, types and memory formats are
    those of the run; the inputs of all its convolutions are kept.

    Args:
        call (Callable): What to run, not compiled.
        with_gradients (bool): The call computes gradients; the convolutions of its backward pass
            are recorded too. Defaults to False.

    Returns:
        Callable: Runs the convolutions alone, one after the other.

    Raises:
        ValueError: If there was none.
    """
    with torch.set_grad_enabled(with_gradients), _Recorder() as recorder:
        call()
    if not recorder.calls:
        raise ValueError('no convolution ran: was the network compiled?')

    def convolve() -> None:
        with torch.inference_mode():
            for func, args, kwargs in recorder.calls:
                func(*args, **kwargs)

    return convolve
