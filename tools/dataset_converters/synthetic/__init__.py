"""Drawn people in COCO's format: training data without a download."""

from .scene import MAX_PEOPLE, draw_picture
from .walk import draw_walk
from .writer import write_dataset

__all__ = ['MAX_PEOPLE', 'draw_picture', 'draw_walk', 'write_dataset']
