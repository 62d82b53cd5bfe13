from .memory import keep_freed_memory
from .named_model import named_model
from .optimize import PRECISIONS, estimator_of, optimize_for_inference

__all__ = [
    'PRECISIONS',
    'estimator_of',
    'keep_freed_memory',
    'named_model',
    'optimize_for_inference',
]
