"""Processes that have batch norm's statistics each: what is validated is what is saved."""

import os
from pathlib import Path

import pytest
import torch
import torch.multiprocessing
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmpose.registry import HOOKS, METRICS
from torch import distributed

from .toy import train


@METRICS.register_module()
class NoMetric(BaseMetric):
    def process(self, data_batch, data_samples) -> None:
        self.results += data_samples

    def compute_metrics(self, results) -> dict[str, float]:
        return dict(score=1.0)


@HOOKS.register_module()
class BufferRecorder(Hook):
    """Keeps the statistics that each process validates with."""

    def __init__(self) -> None:
        self.validated = {}

    def before_val_iter(self, runner, batch_idx, data_batch=None) -> None:
        self.validated[runner.iter] = statistics(runner.model.state_dict())


def statistics(state_dict):
    return {
        name.removeprefix('module.'): value.clone()
        for name, value in state_dict.items()
        if 'running_' in name
    }


def run_process(rank: int, folder: Path, ema: bool, resume: bool) -> None:
    name = 'resumed' if resume else 'whole'
    os.environ['LOCAL_RANK'] = str(rank)
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/{name}', rank=rank, world_size=2
    )
    hooks = [dict(type='EMAHook', momentum=0.5, update_buffers=True)] if ema else []
    runner = train(
        folder / 'work',
        4,
        launcher='pytorch',
        resume=resume,
        load_from=str(folder / 'work/iter_2.pth') if resume else None,
        train_cfg__val_interval=2,
        val_cfg=dict(type='ValLoop'),
        val_evaluator=dict(type='NoMetric'),
        val_dataloader=dict(
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(type='ToyDataset'),
        ),
        cfg=dict(  # as tools/train.py has it on a CPU
            model_wrapper_cfg=dict(
                type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False
            )
        ),
        custom_hooks=[*hooks, dict(type='BufferRecorder')],
    )
    recorder = next(hook for hook in runner.hooks if isinstance(hook, BufferRecorder))
    torch.save(recorder.validated, folder / f'{name}_{rank}.pth')
    distributed.destroy_process_group()


def run(folder: Path, ema: bool, resume: bool = False) -> list[dict]:
    """Train in two processes, and return the statistics that each one validated with."""
    torch.multiprocessing.start_processes(
        run_process, (folder, ema, resume), nprocs=2, start_method='fork'
    )
    name = 'resumed' if resume else 'whole'
    return [torch.load(folder / f'{name}_{rank}.pth') for rank in range(2)]


@pytest.mark.parametrize('ema', [False, True], ids=['weights', 'average'])
def test_every_process_validates_with_the_statistics_that_are_saved(tmp_path, ema):
    validated = run(tmp_path, ema)
    saved = torch.load(tmp_path / 'work/iter_4.pth')['state_dict']
    for recorded in validated:
        torch.testing.assert_close(recorded[4], statistics(saved), rtol=0, atol=0)


def test_a_resumed_run_has_the_statistics_of_the_whole(tmp_path):
    whole, resumed = run(tmp_path, ema=False), run(tmp_path, ema=False, resume=True)
    for before, after in zip(whole, resumed):
        torch.testing.assert_close(after[4], before[4], rtol=0, atol=0)
