"""One training at a time in a work directory."""

import os
import os.path as osp
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import mmengine

from directpose.errors import UserError

from .file_lock import lock_file

LOCK_FILE = '.train.lock'


@contextmanager
def lock_work_dir(work_dir: str, rank: int = 0) -> Iterator[None]:
    """Hold a work directory for the time of a block.

    The lock is that of :func:`lock_file`. Its file stays when the process ends, but locks nothing
    then.

    Args:
        work_dir (str): The folder, which is made if there is none.
        rank (int): The number of this process among those that train together. Only the first
            one locks. Defaults to 0.

    Raises:
        UserError: If another training holds the folder, or if it cannot be written to.
    """
    if rank:
        yield
        return
    path = osp.join(work_dir, LOCK_FILE)
    try:
        mmengine.mkdir_or_exist(work_dir)
        file = open(path, 'a+')
    except OSError as error:
        raise UserError(
            f'{work_dir}: cannot be written to ({error.strerror}); name a folder for logs and '
            'checkpoints with --work-dir'
        ) from error
    with file:
        try:
            free = lock_file(file)
        except OSError as error:
            print(f'{work_dir}: not locked against a second training ({error.strerror}).')
            free = True
        if not free:
            file.seek(0)
            holder = file.read().strip() or 'another process'
            raise UserError(
                f'{work_dir}: {holder} trains in this folder, and two trainings would overwrite '
                "each other's checkpoints; wait for its end, or name another folder with "
                '--work-dir'
            )
        file.truncate(0)
        file.write(f'process {os.getpid()} on {socket.gethostname()}\n')
        file.flush()
        yield
