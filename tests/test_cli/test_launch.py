"""Processes that belong together: what they resume, and their end."""

import subprocess
import sys

import pytest
import torch
from mmengine.config import Config

from directpose.cli import launch
from directpose.errors import UserError

PROGRAM = '''
import os, sys
import torch
from torch import nn
from directpose.cli import launch

class Runner:
    """Refers to itself, as MMEngine's does through its hooks and loops."""
    def __init__(self):
        self.itself = self
        self.model = nn.parallel.DistributedDataParallel(nn.Linear(2, 2))

before = set(os.listdir('/proc/self/task'))
torch.distributed.init_process_group(
    'gloo', init_method='file://' + sys.argv[1], rank=0, world_size=1)
Runner().model(torch.ones(2)).sum().backward()
gloo = {task for task in set(os.listdir('/proc/self/task')) - before
        if 'gloo' in open(f'/proc/self/task/{task}/comm').read()}
assert gloo, 'no thread of gloo was seen'
launch.leave_process_group()
assert not gloo & set(os.listdir('/proc/self/task')), 'threads of gloo are left'
launch.leave_process_group()  # nothing to leave
'''


def test_no_thread_is_left_to_abort_the_process(tmp_path):
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, str(tmp_path / 'store')],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_process_that_no_launcher_has_started_is_refused(monkeypatch):
    monkeypatch.delenv('WORLD_SIZE', raising=False)
    with pytest.raises(UserError, match=r'needs WORLD_SIZE in the environment; start with tools'):
        launch.set_launcher(Config(), 'pytorch')


def look_for_different_checkpoints(rank, store):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{store}', rank=rank, world_size=2
    )
    launch.check_same_checkpoint(None)
    launch.check_same_checkpoint(f'/disk{rank}/iter_4.pth')
    for other, told in ((None, 'none'), ('/disk/iter_2.pth', 'iter_2.pth')):
        with pytest.raises(UserError, match=f'iter_4.pth in process 0, {told} in process 1'):
            launch.check_same_checkpoint('/disk/iter_4.pth' if rank == 0 else other)
    launch.leave_process_group()


def test_processes_that_find_different_checkpoints_are_refused(tmp_path):
    torch.multiprocessing.start_processes(
        look_for_different_checkpoints, (tmp_path / 'store',), nprocs=2, start_method='fork'
    )
