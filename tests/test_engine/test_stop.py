"""A training that is asked to stop, or that went wrong, loses and spoils nothing."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmpose.registry import HOOKS, METRICS, MODELS

from directpose.engine import stop_signals
from directpose.engine.atomic_backend import AtomicLocalBackend
from directpose.engine.errors import DiskError, NonFiniteError, TrainingInterrupted
from directpose.engine.stop_signals import StopSignals
from directpose.engine.train_loop import next_batch

from .toy import ToyModel, build, train, weights


@HOOKS.register_module()
class SignalHook(Hook):
    """Send this process a signal in the middle of an iteration."""

    def __init__(self, at: int, signum: int) -> None:
        self.at, self.signum = at, signum

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.iter + 1 == self.at:
            os.kill(os.getpid(), self.signum)


def interrupting(at, signum):
    return dict(custom_hooks=[dict(type='SignalHook', at=at, signum=int(signum))])


@pytest.mark.parametrize('signum', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize('at', [3, 4])  # between two checkpoints, and at one
def test_an_interrupted_run_is_saved_and_goes_on_as_if_it_was_not(tmp_path, signum, at):
    handler = signal.getsignal(signum)
    whole = train(tmp_path / 'whole', 6)
    with pytest.raises(TrainingInterrupted) as raised:
        train(tmp_path / 'cut', 6, **interrupting(at, signum))
    assert (raised.value.signum, raised.value.iteration) == (signum, at)
    assert signal.getsignal(signum) == handler

    last = Path((tmp_path / 'cut/last_checkpoint').read_text())
    assert last == tmp_path / f'cut/iter_{at}.pth'
    resumed = train(tmp_path / 'cut', 6, resume=True, load_from=str(last))
    for name, value in weights(whole).items():
        assert torch.equal(weights(resumed)[name], value), name


@pytest.mark.parametrize('by_epoch', [False, True])  # True is MMEngine's default
def test_the_checkpoint_hook_of_mmengine_saves_the_step_too(tmp_path, by_epoch):
    hook = dict(type='CheckpointHook', interval=2, by_epoch=by_epoch)
    whole = train(tmp_path / 'whole', 6)
    with pytest.raises(TrainingInterrupted, match='--resume goes on from there'):
        train(
            tmp_path / 'cut', 6, default_hooks__checkpoint=dict(hook, _delete_=True),
            **interrupting(3, signal.SIGTERM),
        )  # fmt: skip
    last = (tmp_path / 'cut/last_checkpoint').read_text()
    resumed = train(tmp_path / 'cut', 6, resume=True, load_from=last)
    for name, value in weights(whole).items():
        assert torch.equal(weights(resumed)[name], value), name


def test_a_training_without_checkpoints_says_that_nothing_is_saved(tmp_path):
    with pytest.raises(TrainingInterrupted, match='no checkpoint hook.* not saved') as raised:
        train(tmp_path, 4, default_hooks__checkpoint=None, **interrupting(2, signal.SIGTERM))
    assert not raised.value.saved and not list(tmp_path.glob('*.pth'))


def test_other_signals_can_be_asked_for(tmp_path):
    with pytest.raises(TrainingInterrupted):
        train(tmp_path, 4, train_cfg__stop_signals=['SIGUSR1'], **interrupting(1, signal.SIGUSR1))
    assert (tmp_path / 'iter_1.pth').is_file()


def test_a_signal_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ValueError, match="stop_signals has .*'SIGNOTHING'"):
        train(tmp_path, train_cfg__stop_signals=['SIGTERM', 'SIGNOTHING'])


def test_a_later_signal_acts_at_once_and_an_echo_does_not(monkeypatch):
    stop = StopSignals(['SIGTERM', 'SIGINT'])
    with stop.noted():
        for signum in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            signal.raise_signal(signum)
        assert stop.received == signal.SIGINT
        monkeypatch.setattr(stop_signals, 'ECHO_SECONDS', 0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@METRICS.register_module()
class CountingMetric(BaseMetric):
    """How many samples a validation sees."""

    def process(self, data_batch, data_samples) -> None:
        self.results += data_samples

    def compute_metrics(self, results) -> dict[str, int]:
        return dict(samples=len(results))


VALIDATION = dict(
    val_cfg=dict(type='ValLoop'),
    val_evaluator=dict(type='CountingMetric'),
    val_dataloader=dict(
        num_workers=1,
        persistent_workers=True,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(type='ToyDataset'),
    ),
)


def run_with_workers(work_dir: Path) -> None:
    """Signal the whole process group, workers included, as a terminal or a scheduler does."""
    os.setsid()
    HOOKS.register_module('GroupSignalHook', module=GroupSignalHook, force=True)
    try:
        train(
            work_dir, 50, train_dataloader__num_workers=2, train_cfg__val_interval=2,
            **VALIDATION, custom_hooks=[dict(type='GroupSignalHook')],
        )  # fmt: skip
    except TrainingInterrupted as interrupted:
        os._exit(128 + interrupted.signum)


class GroupSignalHook(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.iter + 1 == 5:
            # from outside: a worker takes its parent's signal for its regular end
            send = f'import os; os.killpg({os.getpgrp()}, {int(signal.SIGTERM)})'
            subprocess.run([sys.executable, '-c', send], start_new_session=True)
            time.sleep(1)  # for workers to die of it, if they do


def test_a_signal_to_all_processes_of_a_job_leaves_the_workers_alive(tmp_path):
    process = multiprocessing.get_context('fork').Process(target=run_with_workers, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == 128 + signal.SIGTERM
    assert (tmp_path / 'iter_5.pth').is_file()


@HOOKS.register_module()
class WorkerKiller(Hook):
    """Kills a worker of the data loader, as a machine without memory does."""

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.iter == 2:
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)


def test_a_worker_that_dies_ends_the_training_by_name(tmp_path):
    with pytest.raises(RuntimeError, match=r'DataLoader worker .*(killed|exited)'):
        train(
            tmp_path,
            10**6,
            train_dataloader__num_workers=2,
            custom_hooks=[dict(type='WorkerKiller')],
        )
    # The word of the death may come some iterations later, when older checkpoints are gone.
    last = Path((tmp_path / 'last_checkpoint').read_text())
    assert last.is_file() and int(last.stem.removeprefix('iter_')) >= 2


@pytest.mark.parametrize('error', [ConnectionResetError(104, 'reset by peer'), EOFError()])
def test_a_worker_that_dies_while_it_sends_a_batch_is_told(error):
    def batches():
        raise error
        yield

    with pytest.raises(RuntimeError, match='a DataLoader worker exited while it sent a batch'):
        next_batch(batches())


class Sample:
    """The part of a data sample that names its picture."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get(self, key: str) -> str:
        assert key == 'img_path'
        return self.name


@MODELS.register_module()
class SpoiltModel(ToyModel):
    """Its loss, or its gradient alone, is NaN in one step."""

    def __init__(self, at: int, gradient: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        self.at, self.gradient, self.steps = at, gradient, 0

    def forward(self, inputs, index, mode: str):
        losses = super().forward(inputs, index, mode)
        if mode == 'loss':
            self.steps += 1
            if self.steps == self.at and self.gradient:
                losses['loss'].register_hook(lambda grad: grad * float('nan'))
            elif self.steps == self.at:
                losses['loss'] = losses['loss'] * float('nan')
        return losses


def spoilt(tmp_path, **changes):
    with pytest.raises(NonFiniteError) as raised:
        train(tmp_path, 8, model__type='SpoiltModel', model__at=4, **changes)
    return str(raised.value)


def saved_iterations(folder):
    files = folder.glob('iter_*.pth')
    for file in files:
        for name, value in torch.load(file)['state_dict'].items():
            assert value.isfinite().all(), (file, name)
        yield int(file.stem.split('_')[1])


def test_a_loss_that_is_nan_ends_the_training(tmp_path):
    told = spoilt(tmp_path)
    assert 'loss of iteration 4' in told and 'nan' in told and '--resume' in told
    assert list(saved_iterations(tmp_path)) == [2]


def test_a_nan_loss_names_the_pictures_of_its_batch(tmp_path, monkeypatch):
    runner = build(tmp_path, 2, optim_wrapper__accumulative_counts=2)
    logs = [dict(loss=torch.tensor(1.0)), dict(loss=torch.tensor(float('nan')))]
    batches = [
        dict(data_samples=[Sample('fine.jpg')]),
        dict(data_samples=[Sample('a.jpg'), Sample('b.jpg')]),
    ]
    told = runner.train_loop._describe_losses(logs, batches, [False, True])
    assert 'a.jpg, b.jpg' in told and 'fine.jpg' not in told


def test_weights_that_are_nan_are_never_saved(tmp_path):
    """The loss of the step was finite: only its gradient was not."""
    told = spoilt(tmp_path, model__gradient=True)
    assert 'state_dict' in told and 'after iteration 4' in told
    assert list(saved_iterations(tmp_path)) == [2]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    backend, path = AtomicLocalBackend(), tmp_path / 'iter_2.pth'
    backend.put(b'old', path)

    def fail(descriptor):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', fail)
    with pytest.raises(DiskError, match=r'iter_2\.pth: .*No space left.* 4,000,000 bytes'):
        backend.put(bytes(4_000_000), path)
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['iter_2.pth']


def train_with_lasting_workers(work_dir: Path) -> None:
    changes = dict(num_workers=2, persistent_workers=True)
    train(
        work_dir,
        2,
        **VALIDATION,
        **{f'train_dataloader__{key}': value for key, value in changes.items()},
    )


def test_a_training_with_lasting_workers_ends(tmp_path):
    """Workers note the first SIGTERM, which is all that the end of a process sends them."""
    process = multiprocessing.get_context('fork').Process(
        target=train_with_lasting_workers, args=(tmp_path,)
    )
    process.start()
    process.join(60)
    ended = not process.is_alive()
    process.kill()
    assert ended, 'the process waits for its workers'
    assert process.exitcode == 0
