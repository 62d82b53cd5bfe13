"""What --quiet shows: a bar for each stage and the results. Everything else goes to a file."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
)
from rich.table import Table
from rich.text import Text

_SECONDS_BETWEEN_LINES = 10


class _PicturesPerSecond(ProgressColumn):
    """Speed of a task that counts batches, in pictures."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if speed is None:
            return Text('')
        return Text(f'{speed * task.fields["pictures"]:.1f} pictures/s')


class _Time(ProgressColumn):
    """Time that a task still takes, or has taken."""

    def render(self, task: Task) -> Text:
        if task.finished_time is not None:
            return Text(f'in {timedelta(seconds=int(task.finished_time))}')
        if task.time_remaining is None:
            return Text('')
        return Text(f'{timedelta(seconds=int(task.time_remaining))} left')


class ProgressHook(Hook):
    """Shows training, validation and test as bars, with pictures a second and the time left.

    On a terminal the bars move. Elsewhere, such as in a file, a new line is printed for each
    tenth of a stage, at most one in ten seconds.

    Args:
        screen (Console): Where to write.
    """

    priority = 'VERY_LOW'

    def __init__(self, screen: Console) -> None:
        self.screen = screen
        self.bars = Progress(
            TextColumn('{task.description:<10}', markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            _PicturesPerSecond(),
            _Time(),
            TextColumn('{task.fields[note]}', markup=False),
            console=screen,
            disable=not screen.is_terminal,
            # Texts that other code prints go to the log file, not above the bar.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._training: Task
        self._running: Task
        self._printed = time.monotonic()

    # The stages ---------------------------------------------------------

    def before_train(self, runner: Runner) -> None:
        self._training = self._start('training', runner.max_iters, runner.iter)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict,
        outputs: dict | None = None,
    ) -> None:
        loss = runner.message_hub.get_scalar('train/loss').mean(50)
        self._advance(self._training, len(data_batch['inputs']), f'loss {loss:.3f}')

    def before_val_epoch(self, runner: Runner) -> None:
        self._running = self._start('validation', len(runner.val_dataloader))

    def before_test_epoch(self, runner: Runner) -> None:
        self._running = self._start('test', len(runner.test_dataloader))

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict,
        outputs: Sequence,
    ) -> None:
        self._advance(self._running, len(outputs))

    after_test_iter = after_val_iter

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Print the first two metrics, such as AP and AP50, in place of the bar."""
        self.bars.remove_task(self._running.id)
        first = [f'{name} {value:.3f}' for name, value in list(metrics.items())[:2]]
        self.screen.print(f'After {runner.iter} iterations:', ', '.join(first), markup=False)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Print all metrics, five on a line, each under its name."""
        table = Table(box=None, show_header=False)
        for start in range(0, len(metrics), 5):
            row = list(metrics.items())[start : start + 5]
            table.add_row(*(Text(name, style='bold') for name, _ in row))
            table.add_row(*(f'{value:.3f}' for _, value in row))
        self.screen.print(table)

    # The bars -----------------------------------------------------------

    def _start(self, name: str, total: int, completed: int = 0) -> Task:
        self.bars.add_task(name, total=total, completed=completed, pictures=0, note='')
        self._printed = time.monotonic()
        return self.bars.tasks[-1]

    def _advance(self, task: Task, pictures: int, note: str = '') -> None:
        """One more batch is done."""
        tenth = int(10 * task.percentage // 100)
        self.bars.update(task.id, advance=1, pictures=pictures * get_world_size(), note=note)
        if not self.screen.is_terminal:
            late = time.monotonic() - self._printed >= _SECONDS_BETWEEN_LINES
            # A validation that ends has a line of its own, for its metrics.
            ended = task.finished and task.description != 'validation'
            if ended or (late and int(10 * task.percentage // 100) > tenth):
                self._printed = time.monotonic()
                self.screen.print(self.bars.make_tasks_table([task]))


@contextmanager
def _redirect_descriptor(descriptor: int, file: TextIO) -> Iterator[None]:
    """Send what child processes and compiled code write to a descriptor into a file."""
    kept = os.dup(descriptor)
    os.dup2(file.fileno(), descriptor)
    try:
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)


@contextmanager
def choose_display(quiet: bool, log: str | Path, is_main: bool) -> Iterator[list[Hook]]:
    """Show everything as MMEngine does, or bars and results alone.

    Args:
        quiet (bool): Whether what is printed, logged and warned goes to a file.
        log (str | Path): The file. New text is appended to it.
        is_main (bool): Whether this is the one process that shows anything when quiet.

    Yields:
        list[Hook]: Custom hooks that the runner needs for the display.
    """
    if not quiet:
        yield []
        return
    screen = Console(file=sys.stdout, highlight=False, quiet=not is_main)
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    # Loggers write into the file until the process ends, so that it is not closed here.
    file = open(log, 'a', buffering=1)
    hook = ProgressHook(screen)
    try:
        with redirect_stdout(file), redirect_stderr(file), _redirect_descriptor(2, file), hook.bars:
            yield [hook]
    finally:
        screen.print(f'The full log: {log}', markup=False, soft_wrap=True)
