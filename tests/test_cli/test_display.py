"""What --quiet shows, and that nothing else is lost."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner

from directpose.cli.display import choose_display


class Line(BaseModel):
    """y = w x, trained to y = 0."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, inputs, mode='tensor'):
        y = self.layer(torch.stack(inputs) if isinstance(inputs, list) else inputs)
        return dict(loss=y.square().mean()) if mode == 'loss' else list(y)


class Pictures(torch.utils.data.Dataset):
    """Ten numbers in place of pictures."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=torch.ones(1))


class Count(BaseMetric):
    """Three metrics with known values, one of which looks like markup."""

    def process(self, data_batch, data_samples) -> None:
        print('a print of the metric')
        print('a complaint of the metric', file=sys.stderr)
        subprocess.run('echo a complaint of a child >&2', shell=True, check=True)
        self.results.extend(data_samples)

    def compute_metrics(self, results: list) -> dict[str, float]:
        return {'AP': 0.1234, 'AP [bold]': 0.5, 'number': float(len(results))}


@pytest.fixture
def run(tmp_path):
    """Train five iterations with a validation, and test; return the log's text."""

    def call(quiet: bool, is_main: bool = True) -> str:
        log = tmp_path / 'run' / 'train.log'
        loader = dict(batch_size=4, num_workers=0, dataset=Pictures())
        with choose_display(quiet, log, is_main) as hooks:
            runner = Runner(
                model=Line(),
                work_dir=str(tmp_path / 'work'),
                train_dataloader=dict(loader, sampler=dict(type='InfiniteSampler')),
                val_dataloader=dict(loader, sampler=dict(type='DefaultSampler', shuffle=False)),
                test_dataloader=dict(loader, sampler=dict(type='DefaultSampler', shuffle=False)),
                train_cfg=dict(by_epoch=False, max_iters=5, val_interval=5),
                val_cfg=dict(),
                test_cfg=dict(),
                val_evaluator=dict(type=Count),
                test_evaluator=dict(type=Count),
                optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
                default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False)),
                experiment_name=f'{tmp_path.name}_{quiet}_{is_main}',
            )
            runner.register_custom_hooks(hooks)
            runner.train()
            runner.test()
        return log.read_text() if log.exists() else ''

    return call


@pytest.mark.parametrize('terminal', [False, True])
def test_quiet_shows_bars_and_metrics_alone(run, capsys, monkeypatch, terminal) -> None:
    # rich takes any stream for a terminal with this variable.
    monkeypatch.setenv('TTY_COMPATIBLE', str(int(terminal)))
    log = run(quiet=True)
    captured = capsys.readouterr()
    lines = [line for line in captured.out.splitlines() if line.strip()]
    assert captured.err == ''
    bars = [line for line in lines if '100%' in line]
    assert any(line.lstrip('\x1b[?0123456789;lhAKm').startswith('training') for line in bars)
    assert any('test' in line for line in bars)
    assert all('pictures/s' in line and 'in 0:00:0' in line for line in bars)
    assert any('After 5 iterations: AP 0.123, AP [bold] 0.500' in line for line in lines)
    # Each value stands under its name.
    (names,) = (n for n, line in enumerate(lines) if 'number' in line)
    assert [lines[names + 1].split()[n] for n in (0, 1, 2)] == ['0.123', '0.500', '10.000']
    if not terminal:
        assert lines[names].index('number') == lines[names + 1].index('10.000')
    assert 'train.log' in captured.out.replace('\n', '')
    if not terminal:
        assert len(lines) <= 7
    # Nothing is lost: logs, prints and warnings are in the file, and only there.
    for text in (
        'System environment',
        'a print of the metric',
        'a complaint of the metric',
        'a complaint of a child',
        'Epoch(test)',
    ):
        assert text in log
        assert text not in captured.out


def test_by_default_everything_is_shown(run, capsys) -> None:
    assert run(quiet=False) == ''
    captured = capsys.readouterr()
    assert 'a print of the metric' in captured.out
    assert 'Epoch(test)' in captured.out + captured.err


def test_other_processes_show_nothing(run, capsys) -> None:
    assert 'a print of the metric' in run(quiet=True, is_main=False)
    assert capsys.readouterr().out == ''


def test_an_error_is_shown_and_the_screen_restored(tmp_path: Path, capsys) -> None:
    stdout = sys.stdout
    with pytest.raises(ValueError, match='the reason'):
        with choose_display(True, tmp_path / 'train.log', True):
            raise ValueError('the reason')
    assert sys.stdout is stdout
    assert 'The full log: ' in capsys.readouterr().out


def test_the_log_of_an_earlier_run_is_kept(tmp_path: Path) -> None:
    for text in ('first', 'second'):
        with choose_display(True, tmp_path / 'test.log', True):
            print(text)
    assert (tmp_path / 'test.log').read_text().split() == ['first', 'second']
