"""At every moment of saving there is a good checkpoint on the disk."""

import os
from pathlib import Path

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.fileio import LocalBackend
from mmpose.registry import METRICS

from directpose.cli.resume import find_resumable_checkpoint
from directpose.engine.atomic_backend import AtomicLocalBackend

from .toy import train


class Killed(BaseException):
    """Stands for the kill of the process: nothing catches it."""


@METRICS.register_module()
class ScriptedMetric(BaseMetric):
    """Scores that are said beforehand, one a validation."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.scores = list(scores)

    def process(self, data_batch, data_samples) -> None:
        pass

    def evaluate(self, size: int) -> dict:
        return dict(score=self.scores.pop(0))

    def compute_metrics(self, results: list) -> dict:
        raise NotImplementedError


def validated(scores: list[float], **changes) -> dict:
    """Make the settings of a run that is validated every second iteration."""
    return dict(
        train_cfg__val_interval=2,
        val_cfg=dict(),
        val_dataloader=dict(
            batch_size=2,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(type='ToyDataset', length=2),
        ),
        val_evaluator=dict(type='ScriptedMetric', scores=scores),
        default_hooks__checkpoint__save_best='score',
        default_hooks__checkpoint__rule='greater',
        **changes,
    )


def saved(work_dir: Path) -> list[str]:
    return sorted(
        path.name for path in work_dir.iterdir() if path.is_file() and not path.name.endswith('.py')
    )


def test_keeps_the_last_ones(tmp_path):
    train(tmp_path, 9)
    assert saved(tmp_path) == ['iter_8.pth', 'iter_9.pth', 'last_checkpoint']
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'iter_9.pth')


def test_keeps_the_best(tmp_path):
    train(tmp_path, 6, **validated([0.2, 0.5, 0.3]))
    assert saved(tmp_path) == [
        'best_score_iter_4.pth',
        'iter_4.pth',
        'iter_6.pth',
        'last_checkpoint',
    ]


def test_keeps_the_best_of_the_run_that_it_goes_on_from(tmp_path):
    first, second = tmp_path / 'first', tmp_path / 'second'
    train(first, 4, **validated([0.2, 0.5]))
    train(second, 6, resume=True, load_from=str(first / 'iter_4.pth'), **validated([0.6]))
    assert 'best_score_iter_4.pth' in saved(first)
    assert 'best_score_iter_6.pth' in saved(second)


def test_replaces_the_best_in_a_folder_that_has_moved(tmp_path):
    train(tmp_path / 'old', 4, **validated([0.2, 0.5]))
    moved = (tmp_path / 'old').rename(tmp_path / 'new')
    train(moved, 6, resume=True, load_from=str(moved / 'iter_4.pth'), **validated([0.6]))
    assert [name for name in saved(moved) if 'best' in name] == ['best_score_iter_6.pth']


@pytest.mark.slow
def test_kill_at_any_change_of_the_disk(tmp_path, monkeypatch):
    """Stop before each single change that saving makes, and see what is left to resume."""
    changes = 0
    stop_at = None

    def stopping(function):
        def change(*args, **kwargs):
            nonlocal changes
            changes += 1
            if changes == stop_at:
                raise Killed
            return function(*args, **kwargs)

        return change

    for owner, name in ((os, 'replace'), (os, 'fsync'), (LocalBackend, 'remove')):
        monkeypatch.setattr(owner, name, stopping(getattr(owner, name)))
    settings = validated([0.1, 0.2, 0.3], default_hooks__checkpoint__max_keep_ckpts=1)
    train(tmp_path / 'whole', 6, **settings)
    total, left = changes, []
    assert total > 20
    for stop_at in range(1, total + 1):
        changes, work_dir = 0, tmp_path / str(stop_at)
        with pytest.raises(Killed):
            train(work_dir, 6, **settings)
        path, damaged = find_resumable_checkpoint(str(work_dir))
        assert not damaged
        left.append(0 if path is None else torch.load(path)['meta']['iter'])
        bests = [name for name in saved(work_dir) if name.startswith('best') and 'tmp' not in name]
        for name in bests:
            torch.load(work_dir / name)
        if left[-1] > 2:  # the validation of iteration 2 has saved a best one
            assert bests
    assert left == sorted(left)
    assert set(left) == {0, 2, 4, 6}


def test_interrupted_validation_is_made_up_for(tmp_path):
    """A kill between a checkpoint and the end of its validation loses no score."""

    class Interrupted(ScriptedMetric):
        def evaluate(self, size):
            raise Killed

    METRICS.register_module(module=Interrupted, force=True)
    settings = validated([0.1, 0.9, 0.2])
    with pytest.raises(Killed):
        train(tmp_path, 6, **{**settings, 'val_evaluator': dict(type='Interrupted', scores=[])})
    path, _ = find_resumable_checkpoint(str(tmp_path))
    runner = train(tmp_path, 6, resume=True, load_from=path, **settings)
    assert list(runner.message_hub.get_scalar('val/score').data[0]) == [0.1, 0.9, 0.2]
    assert 'best_score_iter_4.pth' in saved(tmp_path)


def test_completed_validation_is_not_repeated(tmp_path):
    train(tmp_path, 4, **validated([0.1, 0.9]))
    path, _ = find_resumable_checkpoint(str(tmp_path))
    runner = train(tmp_path, 6, resume=True, load_from=path, **validated([0.2]))
    assert list(runner.message_hub.get_scalar('val/score').data[0]) == [0.1, 0.9, 0.2]


class TestAtomicLocalBackend:
    def test_failed_write_leaves_the_old_file(self, tmp_path):
        path = tmp_path / 'file'
        backend = AtomicLocalBackend()
        backend.put(b'old', path)
        with pytest.raises(TypeError):
            backend.put('not bytes', path)
        assert backend.get(path) == b'old'
        backend.put(b'new', path)
        assert saved(tmp_path) == ['file']
        assert backend.get(path) == b'new'

    def test_text_and_folders(self, tmp_path):
        path = tmp_path / 'a/b/file'
        AtomicLocalBackend().put_text('ü', path)
        assert path.read_text(encoding='utf-8') == 'ü'
