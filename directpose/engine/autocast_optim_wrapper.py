"""Mixed precision on any device, a CPU included."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from mmpose.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class Bf16OptimWrapper(OptimWrapper):
    """An optimiser wrapper whose forward pass runs in bfloat16 where torch's autocast allows.

    MMEngine's ``AmpOptimWrapper`` does the same on GPUs and refuses a CPU. bfloat16 has the range
    of float32, so the loss needs no scale. On a CPU without bfloat16 units (AVX512-BF16 or AMX)
    this is slower than float32.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The forward pass runs within this context.

        Args:
            model (nn.Module): The model that is trained.
        """
        with super().optim_context(model), torch.autocast(get_device(), torch.bfloat16):
            yield
