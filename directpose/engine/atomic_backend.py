"""A file backend whose files are either whole or not there."""

import os
from contextlib import contextmanager, suppress
from pathlib import Path

import mmengine
from mmengine.fileio import LocalBackend, register_backend

from .errors import DiskError


@contextmanager
def _written_beside(path: str | Path, size: int, mode: str, **kwargs):
    """Open a file beside ``path`` for writing, and rename it to ``path`` when all is on disk.

    Raises:
        DiskError: If it cannot be written. What was written so far is removed.
    """
    beside = f'{path}.tmp'
    try:
        mmengine.mkdir_or_exist(os.path.dirname(path))
        with open(beside, mode, **kwargs) as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
        os.replace(beside, path)
    except OSError as error:
        with suppress(OSError):
            os.remove(beside)
        raise DiskError(
            f'{path}: cannot be written ({error.strerror}), {size:,} bytes; make room or check '
            'the permissions of the folder; the earlier file is unchanged'
        ) from error


@register_backend('atomic_local')
class AtomicLocalBackend(LocalBackend):
    """The local file system, written so that a killed process leaves no torn file.

    A write goes to ``<path>.tmp``, which is then renamed: at any moment ``path`` is the old file
    or the new one. What a killed process leaves at ``<path>.tmp`` is replaced by the next write.
    A write that fails, as on a full disk, raises :class:`~directpose.engine.errors.DiskError`
    and leaves nothing behind.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file."""
        with _written_beside(filepath, len(obj), 'wb') as f:
            f.write(obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write text to a file."""
        with _written_beside(filepath, len(obj.encode(encoding)), 'w', encoding=encoding) as f:
            f.write(obj)
