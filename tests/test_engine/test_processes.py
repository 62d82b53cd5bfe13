"""Two processes that train together: one is asked to stop, or dies."""

import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmpose.registry import HOOKS
from torch import distributed

from directpose.cli.resume import find_resumable_checkpoint
from directpose.engine.errors import TrainingInterrupted

from .toy import train

WITHIN = 60
"""Seconds in which the processes must have begun, and have ended."""


@HOOKS.register_module()
class BegunHook(Hook):
    """Tells the test that the process is in the middle of a step, and waits for the word."""

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.iter == 5:
            Path(runner.work_dir, f'begun_{runner.rank}').touch()
            wait_for(lambda: Path(runner.work_dir, 'go_on').exists())


def wait_for(condition) -> None:
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def run_process(rank: int, work_dir: Path, interval: int) -> None:
    os.environ['LOCAL_RANK'] = str(rank)
    distributed.init_process_group(
        'gloo', init_method=f'file://{work_dir}.group', rank=rank, world_size=2
    )
    try:
        train(
            work_dir,
            10**6,
            launcher='pytorch',
            train_dataloader__num_workers=1,
            default_hooks__checkpoint__interval=interval,
            custom_hooks=[dict(type='BegunHook')],
            cfg=dict(  # as tools/train.py has it on a CPU
                model_wrapper_cfg=dict(
                    type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False
                )
            ),
        )
    except TrainingInterrupted as interrupted:
        sys.exit(128 + interrupted.signum)


@pytest.fixture
def start(tmp_path):
    """Start a training, and return its two processes in the middle of it."""
    fork = multiprocessing.get_context('fork')  # has all that it needs imported
    processes = []

    def call(interval):
        for rank in range(2):
            args = (rank, tmp_path / 'work', interval)
            processes.append(fork.Process(target=run_process, args=args))
            processes[-1].start()
        wait_for(lambda: len(list(tmp_path.glob('work/begun_*'))) == 2)
        return processes

    yield call
    for process in processes:
        process.kill()


@pytest.mark.parametrize(
    'receivers',
    [[0], [1], [0, 1], [0, 1, 0, 1]],
    ids=['first', 'second', 'both', 'both twice'],  # a scheduler and a launcher signal each
)
def test_a_signal_saves_one_checkpoint_and_ends_all(start, tmp_path, receivers):
    processes = start(interval=10**6)
    for rank in receivers:
        os.kill(processes[rank].pid, signal.SIGTERM)
        time.sleep(0.2)  # for Python to note it: two signals that wait are one
    (tmp_path / 'work/go_on').touch()
    for process in processes:
        process.join(WITHIN)
    assert [one.exitcode for one in processes] == [128 + signal.SIGTERM] * 2
    (saved,) = (tmp_path / 'work').glob('*.pth')
    assert saved.name == f'iter_{torch.load(saved)["meta"]["iter"]}.pth'
    assert find_resumable_checkpoint(str(tmp_path / 'work')) == (str(saved), [])


@pytest.mark.parametrize('rank', [0, 1])
def test_a_process_that_is_killed_ends_the_other_with_an_error(start, tmp_path, rank):
    processes = start(interval=2)
    processes[rank].kill()
    (tmp_path / 'work/go_on').touch()
    for process in processes:
        process.join(WITHIN)
    assert processes[rank].exitcode == -signal.SIGKILL
    assert processes[1 - rank].exitcode == 1
    saved, damaged = find_resumable_checkpoint(str(tmp_path / 'work'))
    assert saved is not None and not damaged
