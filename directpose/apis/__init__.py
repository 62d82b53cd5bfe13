from .memory import keep_freed_memory
from .optimize import PRECISIONS, estimator_of, optimize_for_inference

__all__ = ['PRECISIONS', 'estimator_of', 'keep_freed_memory', 'optimize_for_inference']
