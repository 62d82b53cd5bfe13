"""Processes that belong together: what they resume, and their end."""

import subprocess
import sys

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


TWO_PROCESSES = """
import sys
import torch
from directpose.cli import launch
from directpose.cli.errors import UserError

def run(rank, store):
    torch.distributed.init_process_group(
        'gloo', init_method='file://' + store, rank=rank, world_size=2)
    launch.check_same_checkpoint(None)
    launch.check_same_checkpoint(f'/disk{rank}/iter_4.pth')
    for other in (None, '/disk/iter_2.pth'):
        try:
            launch.check_same_checkpoint('/disk/iter_4.pth' if rank == 0 else other)
        except UserError as error:
            told = 'none' if other is None else 'iter_2.pth'
            assert f'iter_4.pth in process 0, {told} in process 1' in str(error), error
        else:
            raise AssertionError('not seen')
    launch.leave_process_group()

torch.multiprocessing.start_processes(run, (sys.argv[1], ), 2, start_method='fork')
"""


def test_processes_that_find_different_checkpoints_are_refused(tmp_path):
    done = subprocess.run(
        [sys.executable, '-c', TWO_PROCESSES, str(tmp_path / 'store')],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
