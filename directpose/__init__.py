"""DirectPose (arXiv 1911.07451) as a plugin for OpenMMLab.

Importing this package registers its parts in MMPose's registries, so a config needs only
``custom_imports = dict(imports=['directpose'])``. Without MMPose nothing is registered. The parts
that do not need MMPose, such as ``directpose.runtime``, then still work.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import PurePath

from .version import __version__


def _is_a_command_without_torch(arguments: list[str]) -> bool:
    """Whether this process is ``directpose predict``, ``web`` or a help text.

    Args:
        arguments (list[str]): ``sys.orig_argv``. After Python's own name it is
            ``-m directpose COMMAND ...``, or the path of the installed script and ``COMMAND ...``.
    """
    rest = arguments[1:]  # an embedded Python has no arguments at all
    if rest[:2] == ['-m', 'directpose']:
        rest = rest[1:]
    elif not rest or PurePath(rest[0]).name not in ('directpose', 'directpose.exe'):
        return False
    return rest[1:2] in ([], ['predict'], ['web'], ['-h'], ['--help'], ['--version'])


# Releases of ONNX Runtime send events to Microsoft by default, and keep them in the user's cache.
# Only this variable turns all of that off, and only before ONNX Runtime is imported.
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')

# Importing MMPose takes five seconds, which these commands do not need.
if find_spec('mmpose') is not None and not _is_a_command_without_torch(sys.orig_argv):
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
