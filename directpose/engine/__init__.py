"""How models are trained: optimiser, checkpoints, resuming, many processes.

The import of this package makes ``torch.load`` accept MMEngine's checkpoints, safely.
"""

from . import packaged_weights  # noqa: F401, registers directpose://
from .atomic_backend import AtomicLocalBackend
from .autocast_optim_wrapper import Bf16OptimWrapper
from .checkpoint_fit import CheckLoadedHook
from .checkpoint_hook import AtomicCheckpointHook
from .optim_wrapper_constructor import BiasHeadOptimWrapperConstructor
from .pose_dump import PoseDump
from .safe_load import allow_mmengine_checkpoints
from .sampler import ResumableInfiniteSampler
from .seeding import SeededDataset
from .train_loop import ResumableIterTrainLoop

allow_mmengine_checkpoints()

__all__ = [
    'AtomicCheckpointHook',
    'AtomicLocalBackend',
    'Bf16OptimWrapper',
    'BiasHeadOptimWrapperConstructor',
    'CheckLoadedHook',
    'PoseDump',
    'ResumableInfiniteSampler',
    'ResumableIterTrainLoop',
    'SeededDataset',
]
