"""A model and a data set that train in milliseconds, for tests of the training itself.

They use every source of randomness that a real run has: each sample draws from ``random``,
``numpy`` and ``torch``, and the model has dropout and batch norm.
"""

import itertools
import random

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmpose.registry import DATASETS, MODELS
from torch import nn

import directpose.engine  # noqa: F401

_numbers = itertools.count()


@DATASETS.register_module()
class ToyDataset:
    """Sixteen-number samples with noise from three generators."""

    metainfo = dict(dataset_name='toy', sigmas=np.ones(3, np.float32))

    def __init__(self, length: int = 10) -> None:
        self.length = length

    def full_init(self) -> None:
        pass

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        noise = torch.tensor([random.random(), np.random.rand()])
        inputs = torch.full((16,), float(index)) / self.length + torch.randn(16)
        return dict(inputs=torch.cat((inputs, noise)), index=index)


@MODELS.register_module()
class ToyModel(BaseModel):
    """A backbone and a head, with batch norm and dropout."""

    def __init__(self, width: int = 8, dropout: float = 0.2, norm_eval: bool = False) -> None:
        super().__init__()
        self.norm_eval = norm_eval
        self.backbone = nn.Sequential(nn.Linear(18, width), nn.BatchNorm1d(width), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, 1))
        self.seen = []

    def train(self, mode: bool = True):
        super().train(mode)
        if self.norm_eval:
            self.backbone[1].eval()
        return self

    def forward(self, inputs, index, mode: str):
        if mode == 'loss':
            self.seen.append([int(i) for i in index])
        out = self.head(self.backbone(torch.stack(inputs)))
        if mode == 'loss':
            return dict(loss=(out - 1).square().mean())
        return list(out)


def build(work_dir, max_iters: int = 6, **changes) -> Runner:
    """Make a run.

    Args:
        work_dir (Path): Where it writes.
        max_iters (int): Optimiser steps.
        changes: Settings by dotted names, with ``__`` for the dots.
    """
    cfg = Config(
        dict(
            work_dir=str(work_dir),
            default_scope='mmpose',
            model=dict(type='ToyModel'),
            train_dataloader=dict(
                batch_size=3,
                num_workers=0,
                sampler=dict(type='ResumableInfiniteSampler'),
                dataset=dict(type='ToyDataset'),
            ),
            train_cfg=dict(type='ResumableIterTrainLoop', max_iters=max_iters),
            optim_wrapper=dict(
                constructor='BiasHeadOptimWrapperConstructor',
                optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4),
                paramwise_cfg=dict(bias_lr_mult=2, bias_decay_mult=0, head_lr_mult=10),
                clip_grad=dict(max_norm=5.0),
            ),
            param_scheduler=[
                dict(type='PolyLR', power=1.0, eta_min=0, end=max_iters + 1, by_epoch=False)
            ],
            default_hooks=dict(
                checkpoint=dict(
                    type='AtomicCheckpointHook', interval=2, by_epoch=False, max_keep_ckpts=2
                )
            ),
            log_processor=dict(by_epoch=False),
            log_level='WARNING',
            # MMEngine's hubs and loggers are global by name, the time to the second by default.
            experiment_name=f'toy_{next(_numbers)}',
            randomness=dict(seed=7),
        )
    )
    cfg.merge_from_dict({name.replace('__', '.'): value for name, value in changes.items()})
    # Not from_cfg: it formats the config's text for every checkpoint, which takes longest.
    return Runner(**cfg)


def train(work_dir, max_iters: int = 6, **changes) -> Runner:
    """Train a run to its end, see :func:`build`."""
    runner = build(work_dir, max_iters, **changes)
    runner.train()
    return runner


def weights(runner: Runner) -> dict[str, torch.Tensor]:
    """Get all weights of a trained run."""
    return {name: value.clone() for name, value in runner.model.state_dict().items()}
