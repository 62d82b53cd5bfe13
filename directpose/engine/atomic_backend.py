"""A file backend whose files are either whole or not there."""

import os
from contextlib import contextmanager
from pathlib import Path

import mmengine
from mmengine.fileio import LocalBackend, register_backend


@contextmanager
def _written_beside(path: str | Path, mode: str, **kwargs):
    """Open a file beside ``path`` for writing, and rename it to ``path`` when all is on disk."""
    mmengine.mkdir_or_exist(os.path.dirname(path))
    beside = f'{path}.tmp'
    with open(beside, mode, **kwargs) as f:
        yield f
        f.flush()
        os.fsync(f.fileno())
    os.replace(beside, path)


@register_backend('atomic_local')
class AtomicLocalBackend(LocalBackend):
    """The local file system, written so that a killed process leaves no torn file.

    A write goes to ``<path>.tmp``, which is then renamed: at any moment ``path`` is the old file
    or the new one. What a killed write leaves at ``<path>.tmp``, the next write replaces.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file."""
        with _written_beside(filepath, 'wb') as f:
            f.write(obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write text to a file."""
        with _written_beside(filepath, 'w', encoding=encoding) as f:
            f.write(obj)
