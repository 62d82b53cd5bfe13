"""Drawn people in COCO's format: data to learn from without a download."""

from .writer import write_dataset

__all__ = ['write_dataset']
