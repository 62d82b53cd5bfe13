"""Rendered people in COCO's format: bodies with anatomy, before your own pictures."""

from .writer import write_rendered

__all__ = ['write_rendered']
