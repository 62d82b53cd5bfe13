"""Run the convolutions of a network alone: their time is a lower bound for the network's."""

from collections.abc import Callable

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# Inference mode dispatches the convolution that was called. Other modes dispatch `convolution`,
# to which all of them are reduced.
_CONVOLUTIONS = (
    torch.ops.aten.convolution.default,
    torch.ops.aten.conv2d.default,
    torch.ops.aten.conv2d.padding,
    torch.ops.aten.conv_transpose2d.input,
    torch.ops.aten.convolution_backward.default,
)


class _Recorder(TorchDispatchMode):
    """Record the convolutions that run, with their arguments."""

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
    """Run a function once, and return a function that runs the same convolutions alone.

    Shapes, types and memory formats are those of the recorded run, because the inputs of all its
    convolutions are kept. A blur that is computed by a convolution counts as a convolution.

    Args:
        call (Callable): A function without arguments that runs a network which is not compiled.
        with_gradients (bool): Whether ``call`` computes gradients. The convolutions of its
            backward pass are then recorded too. Defaults to False.

    Returns:
        Callable: A function without arguments that runs the convolutions, one after the other.

    Raises:
        ValueError: If ``call`` ran no convolution.
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
