"""Rendered people in COCO's format: bodies with anatomy, before pictures of the user's."""

from .writer import write_rendered

__all__ = ['write_rendered']
