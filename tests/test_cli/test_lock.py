"""One training at a time in a work directory."""

import multiprocessing
import os
import time

import pytest

from directpose.cli.lock import lock_work_dir
from directpose.errors import UserError


def hold(folder, held):
    with lock_work_dir(folder):
        held.set()
        time.sleep(60)


@pytest.fixture
def holder(tmp_path):
    """A process that trains in a folder."""
    fork = multiprocessing.get_context('fork')  # has all that it needs imported
    held = fork.Event()
    process = fork.Process(target=hold, args=(str(tmp_path), held))
    process.start()
    assert held.wait(20)
    yield process
    process.kill()
    process.join()


def test_a_second_training_is_refused(holder, tmp_path):
    with pytest.raises(UserError, match=f'process {holder.pid} on .*--work-dir'):
        with lock_work_dir(str(tmp_path)):
            pass
    with lock_work_dir(str(tmp_path / 'other')):
        pass


def test_a_crash_leaves_no_lock(holder, tmp_path):
    holder.kill()
    holder.join()
    with lock_work_dir(str(tmp_path)):
        told = (tmp_path / '.train.lock').read_text()
    assert told.startswith(f'process {os.getpid()} on ') and told.count('process') == 1


def test_processes_that_train_together_do_not_exclude_each_other(holder, tmp_path):
    with lock_work_dir(str(tmp_path), rank=1):
        pass


def test_a_work_directory_that_is_a_file_is_named(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(UserError, match='file: cannot be written to'):
        with lock_work_dir(str(tmp_path / 'file')):
            pass
