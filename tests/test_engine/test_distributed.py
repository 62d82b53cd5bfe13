"""The end of the processes' group."""
import subprocess
import sys

PROGRAM = '''
import os, sys
import torch
from torch import nn
from directpose.engine import distributed

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
distributed.leave_process_group()
assert not gloo & set(os.listdir('/proc/self/task')), 'threads of gloo are left'
distributed.leave_process_group()  # nothing to leave
'''


def test_no_thread_is_left_to_abort_the_process(tmp_path):
    done = subprocess.run([sys.executable, '-c', PROGRAM, str(tmp_path / 'store')],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
