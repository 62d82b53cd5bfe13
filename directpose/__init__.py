"""DirectPose (arXiv 1911.07451) as a plugin for OpenMMLab.

Importing this package registers its parts in MMPose's registries, so a config needs only
``custom_imports = dict(imports=['directpose'])``. Where MMPose is not installed nothing is
registered, and the parts that live without it (``directpose.runtime``) still work.
"""

from importlib.util import find_spec

from .version import __version__

if find_spec('mmpose') is not None:
    from . import datasets, engine, models, visualization  # noqa: F401

__all__ = ['__version__']
