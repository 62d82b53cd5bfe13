"""A lock on an open file. Needs the standard library only."""

import sys
from typing import IO

if sys.platform != 'win32':
    import fcntl


def lock_file(file: IO) -> bool:
    """Lock a file against other processes, until it is closed.

    The operating system drops the lock when the process ends, however it ends. On Windows there
    is no such lock, and nothing is locked.

    Args:
        file (IO): A file that is open for writing.

    Returns:
        bool: Whether no other process has locked the file.

    Raises:
        OSError: If the file system has no locks.
    """
    if sys.platform == 'win32':
        return True
    try:
        # Not flock: workers of a data loader would inherit that, and outlive a crash.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
