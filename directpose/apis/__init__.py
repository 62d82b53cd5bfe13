from .memory import keep_freed_memory
from .optimize import PRECISIONS, optimize_for_inference

__all__ = ['PRECISIONS', 'keep_freed_memory', 'optimize_for_inference']
