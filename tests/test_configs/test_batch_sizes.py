"""The learning rate of each config is for the batch that its name says."""

import re
from pathlib import Path

import pytest
from mmengine.config import Config

from directpose.cli import config

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / 'configs/directpose').glob('*.py'))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_scaling_leaves_the_rate_on_the_gpus_of_the_name(path):
    """MMEngine multiplies the rate by batch_size * processes / base_batch_size."""
    cfg = Config.fromfile(path)
    batch_size = cfg.train_dataloader.batch_size
    named = re.search(r'_(\d+)xb(\d+)-', path.stem)
    gpus, named_batch_size = map(int, named.groups()) if named else (1, batch_size)
    assert batch_size == named_batch_size
    config.enable_auto_scale_lr(cfg)
    assert batch_size * gpus / cfg.auto_scale_lr.base_batch_size == 1


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_cudnn_tries_its_algorithms_out_where_all_crops_have_one_size(path):
    cfg = Config.fromfile(path)
    steps = [step['type'] for step in cfg.train_pipeline]
    fixed = 'CropAroundPerson' in steps
    assert cfg.env_cfg.cudnn_benchmark == fixed
