"""Kill -9 at random moments: nothing is lost but the work since the last checkpoint."""

import multiprocessing
import os
import random
import time
from pathlib import Path

import pytest
import torch

from directpose.cli.resume import find_resumable_checkpoint

from .toy import build, weights

KILLS = 10
ITERS_PER_KILL = 10  # more than a kill waits for
INTERVAL = 2


def run(work_dir: Path, iters: int, started=None) -> None:
    """Train with two workers as far as one gets, from the last good checkpoint on.

    Args:
        work_dir (Path): The run.
        iters (int): Its length.
        started (multiprocessing.Event, optional): Set when training begins.
    """
    path, damaged = find_resumable_checkpoint(str(work_dir))
    assert not damaged
    runner = build(
        work_dir,
        iters,
        resume=path is not None,
        load_from=path,
        # 5 MB with the optimiser's state, so that saving takes a while.
        model__width=30000,
        train_dataloader__num_workers=2,
        default_hooks__checkpoint__interval=INTERVAL,
    )
    with open(work_dir / 'resumed_at', 'a') as f:
        f.write(f'{0 if path is None else torch.load(path)["meta"]["iter"]}\n')
    if started is not None:
        started.set()
    runner.train()
    if started is None:
        torch.save(weights(runner), work_dir / 'weights.pth')


def wait_until(function, *args, at_least: int) -> None:
    """Wait until a function of the disk has reached a value."""
    deadline = time.monotonic() + 60
    while function(*args) < at_least:
        assert time.monotonic() < deadline
        time.sleep(0.0005)


def newest(work_dir: Path) -> int:
    """Get the iteration of the newest checkpoint whose writing has ended."""
    return max([0, *(int(path.stem.split('_')[1]) for path in work_dir.glob('iter_*.pth'))])


def being_written(work_dir: Path, begin: float) -> bool:
    """Tell whether a file is there that was begun since a time and has not got its name."""
    try:
        return any(path.stat().st_mtime > begin for path in work_dir.glob('*.tmp'))
    except FileNotFoundError:  # it has got it just now
        return False


@pytest.mark.slow
@pytest.mark.timeout(0)  # what it waits for has limits of its own
def test_killed_at_random_moments(tmp_path, torture):
    kills = torture or KILLS
    iters = kills * ITERS_PER_KILL
    # A server that has imported everything forks the runs.
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([__name__])
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    whole.mkdir(), killed.mkdir()

    begin = time.monotonic()
    uninterrupted = context.Process(target=run, args=(whole, iters))
    uninterrupted.start()
    uninterrupted.join()
    assert uninterrupted.exitcode == 0
    pace = (time.monotonic() - begin) * INTERVAL / iters  # seconds to the next checkpoint

    dice = random.Random(0)
    saved, torn_writes = [0], 0
    for kill in range(kills):
        started = context.Event()
        process = context.Process(target=run, args=(killed, iters, started))
        process.start()
        assert started.wait(60)
        begin = time.time()
        wait_until(newest, killed, at_least=saved[-1] + INTERVAL * dice.randint(1, 2))
        if kill % 2:  # at any moment
            time.sleep(dice.uniform(0, pace))
        else:  # while a checkpoint is being written
            wait_until(being_written, killed, begin, at_least=True)
        process.kill()
        process.join()
        assert process.exitcode == -9, 'the run ended before it was killed'
        torn_writes += being_written(killed, begin)
        saved.append(newest(killed))
    assert torn_writes
    resumed = context.Process(target=run, args=(killed, iters))
    resumed.start()
    resumed.join()
    assert resumed.exitcode == 0

    resumed_at = [int(line) for line in (killed / 'resumed_at').read_text().split()]
    assert len(resumed_at) == kills + 1
    # A checkpoint counts from when `last_checkpoint` names it, an instant after it is there.
    assert all(last - INTERVAL <= at <= last for at, last in zip(resumed_at, saved, strict=True))
    assert resumed_at[-1] >= 10
    ends = [torch.load(work_dir / 'weights.pth') for work_dir in (whole, killed)]
    for name, value in ends[0].items():
        assert torch.equal(value, ends[1][name]), name
    assert not [name for name in os.listdir(killed) if name.endswith('.tmp')]
