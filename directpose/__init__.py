"""DirectPose (arXiv 1911.07451) as a plugin for OpenMMLab.

Importing this package registers its parts in MMPose's registries, so a config needs only
``custom_imports = dict(imports=['directpose'])``. Where MMPose is not installed nothing is
registered, and the parts that live without it (``directpose.runtime``) still work.
"""

from importlib.util import find_spec

from .version import __version__

if find_spec('mmpose') is not None:
    from mmengine.config.utils import MODULE2PACKAGE

    try:
        from . import datasets, engine, models, visualization  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in ('mmcv', 'mmcv._ext', 'mmdet', 'xtcocotools', 'xtcocotools._mask'):
            raise
        raise ImportError(
            f'MMPose is installed, but {error.name}, which it needs, is not; complete the stack: '
            'python -m directpose_stack'
        ) from error

    # MMEngine finds the configs of the packages in this table: `_base_ = 'directpose::...'`.
    MODULE2PACKAGE.setdefault('directpose', 'directpose')

__all__ = ['__version__']
