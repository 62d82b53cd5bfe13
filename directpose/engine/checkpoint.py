"""Safe loading of MMEngine's checkpoints.

From torch 2.6 ``torch.load`` refuses whatever is neither a tensor nor a plain value, because
unpickling arbitrary objects runs code from the file. MMEngine's training checkpoints hold three
more things: numpy arrays, numpy numbers and its ``HistoryBuffer``. This module adds exactly
these to torch's list, so that such checkpoints load and every other object is still refused.
"""

import pickle
import zipfile
from functools import partial
from urllib.error import URLError

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.utils.dl_utils import load_url
from torch import nn

from .errors import UserError

_STATISTICS = ('min', 'max', 'mean', 'current', 'statistics')

_DTYPES = (np.bool_, np.uint8, np.int32, np.int64, np.float16, np.float32, np.float64)


def _history_buffer_method(*args):
    """Stand in for ``getattr``, which a pickled ``HistoryBuffer`` asks for.

    ``HistoryBuffer.__getstate__`` includes its own methods, and pickle writes a method as
    ``getattr(HistoryBuffer, name)``. The real ``getattr`` would let a file reach any attribute
    of any object it can name, and from there the whole interpreter.

    Raises:
        pickle.UnpicklingError: For anything else.
    """
    if len(args) == 2 and args[0] is HistoryBuffer and args[1] in _STATISTICS:
        return getattr(*args)
    raise pickle.UnpicklingError(
        f'refused getattr{args!r}: only the statistics of HistoryBuffer are allowed'
    )


def allow_mmengine_checkpoints() -> None:
    """Let ``torch.load(weights_only=True)`` read MMEngine's training checkpoints."""
    reconstruct = np.empty(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    torch.serialization.add_safe_globals(
        [
            HistoryBuffer,
            (_history_buffer_method, 'builtins.getattr'),
            np.ndarray,
            np.dtype,
            *(type(np.dtype(dtype)) for dtype in _DTYPES),
            # The module is `numpy.core` in files written under numpy 1.
            (reconstruct, 'numpy._core.multiarray._reconstruct'),
            (reconstruct, 'numpy.core.multiarray._reconstruct'),
            (scalar, 'numpy._core.multiarray.scalar'),
            (scalar, 'numpy.core.multiarray.scalar'),
        ]
    )
    # What MMEngine downloads it unpickles without asking, whatever torch's default is.
    mmengine_checkpoint.load_url = partial(load_url, weights_only=True)


def is_intact(path: str) -> bool:
    """Tell whether a checkpoint file is whole.

    ``torch.save`` writes a zip archive, whose directory stands at the end and which holds a
    checksum of every record. ``torch.load`` does not compare the checksums; this does.

    Args:
        path (str): A file written by ``torch.save``.

    Returns:
        bool: False for a missing, truncated or altered file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile):
        return False


def load_checkpoint_file(path: str) -> dict:
    """Read a checkpoint of an OpenMMLab model, with errors for humans.

    Args:
        path (str): A file, or an address that MMEngine can fetch, with a ``state_dict``.

    Returns:
        dict: The content, on the CPU.

    Raises:
        UserError: If there is no such file, or it is damaged, or holds objects that are not
            loaded for safety, or is not an OpenMMLab checkpoint.
    """
    try:
        checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu')
    except FileNotFoundError as error:
        raise UserError(
            f'{path}: no such checkpoint; give the path of a .pth file, such as '
            'work_dirs/<config>/iter_<n>.pth'
        ) from error
    except pickle.UnpicklingError as error:
        raise UserError(
            f'{path}: not loaded, because it is damaged or holds more than tensors '
            'and plain values, which could run code; take a file saved by '
            'tools/train.py or by tools/model_converters/'
        ) from error
    except URLError as error:
        raise UserError(
            f'{path}: cannot be fetched ({error.reason}); see to the connection, or '
            'give the path of a file'
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise UserError(
            f'{path}: damaged, it cannot be read; take another checkpoint, or train '
            'on from the last good one with --resume'
        ) from error
    if not isinstance(checkpoint, dict) or 'state_dict' not in checkpoint:
        raise UserError(
            f'{path}: has no state_dict, so it is no OpenMMLab checkpoint; a '
            'released DirectPose file becomes one by '
            'tools/model_converters/directpose_to_mmpose.py'
        )
    return checkpoint


def check_weights(model: nn.Module, checkpoint: dict, path: str) -> None:
    """See that a checkpoint is of this model: MMEngine only warns of weights that do not fit.

    Args:
        model (nn.Module): The model as the config builds it.
        checkpoint (dict): What :func:`load_checkpoint_file` gives.
        path (str): Its file, for the message.

    Raises:
        UserError: If the model would keep some of its random weights.
    """
    theirs = checkpoint['state_dict']
    ours = model.state_dict()
    missing = sorted(set(ours) - set(theirs))
    if missing:
        raise UserError(
            f"{path}: lacks {len(missing)} weights of the config's model, such as "
            f'{missing[0]}; give the config that it was trained with'
        )
    others = [name for name in ours if ours[name].shape != theirs[name].shape]
    if others:
        name = others[0]
        raise UserError(
            f"{path}: {len(others)} weights have another shape than in the config's "
            f'model, such as {name}: {tuple(theirs[name].shape)}, not '
            f'{tuple(ours[name].shape)}; give the config that it was trained with'
        )
