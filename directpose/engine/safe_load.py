"""Safe loading of MMEngine's checkpoints.

From torch 2.6 ``torch.load`` refuses whatever is neither a tensor nor a plain value, because
unpickling arbitrary objects runs code from the file. MMEngine's training checkpoints hold three
more things: numpy arrays, numpy numbers and its ``HistoryBuffer``. This module adds exactly
these to torch's list, so that such checkpoints load and every other object is still refused.
"""

import pickle
import zipfile

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

_STATISTICS = ('min', 'max', 'mean', 'current', 'statistics')

_OLD_MAGIC = b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19'
"""The first bytes of a file that torch wrote before version 1.6: a pickled number."""

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


def is_intact(path: str) -> bool:
    """Tell whether a checkpoint file is whole.

    ``torch.save`` writes a zip archive, whose directory stands at the end and which holds a
    checksum of every record. ``torch.load`` does not compare the checksums; this function
    compares them. A file in the format that torch wrote before version 1.6 has no checksums: such
    a file is whole if it loads.

    Args:
        path (str): A file written by ``torch.save``.

    Returns:
        bool: False for a missing, truncated or altered file.
    """
    try:
        with open(path, 'rb') as file:
            if file.read(len(_OLD_MAGIC)) == _OLD_MAGIC:
                torch.load(path, map_location='cpu', weights_only=True)
                return True
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # damaged bytes lead to any error of zipfile, zlib and torch
        return False
