from .optimize import PRECISIONS, optimize_for_inference

__all__ = ['PRECISIONS', 'optimize_for_inference']
