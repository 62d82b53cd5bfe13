"""KPAlign, and the model around it, beside the original's formulation.

    pytest tests/bench_kpalign.py --benchmark-columns=min,median,stddev

The table's numbers in parentheses are the ratios to the fastest.
"""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from directpose.apis import optimize_for_inference
from directpose.models.cells import Cells
from directpose.models.keypoint_groups import group_indices
from tests.conftest import ROOT
from tests.deformable_kpalign import deformable_kpalign, deformable_sample_and_predict

CONFIG = ROOT / 'configs/directpose/directpose_r50-aa_fpn_8xb4-180k_coco.py'


def coco_groups(model):
    """The nine groups, of which the first is sampled from the finest level."""
    cfg = Config.fromfile(CONFIG).model.head
    return group_indices(cfg.groups, cfg.finest_groups, model.head.metainfo)[0]


@pytest.fixture(scope='module')
def model():
    """The paper's model with random weights, its locators pointing to the neighbourhood."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    cfg = Config.fromfile(CONFIG)
    init_default_scope('mmpose')
    model = MODELS.build(cfg.model).eval().requires_grad_(False)
    torch.nn.init.normal_(model.head.keypoint_branch.locator.bias, std=2.0)
    return model


@pytest.fixture(scope='module')
def maps(model):
    """The locator's vectors and the features to sample, of every level of 1344 x 800 pixels."""
    head = model.head
    branch = head.keypoint_branch
    feats = [
        torch.randn(1, branch.locator.in_channels, -(-800 // stride), -(-1344 // stride))
        for stride in head.strides
    ]
    return [branch.locate(feat) for feat in feats], [branch.feature_conv(feat) for feat in feats]


def sample_and_predict(branch, bases, sampled):
    """What KPAlign does after its 3x3 convolutions."""
    return branch.predict_at(dict(keypoint_base=bases, **branch.project(sampled)), Cells.of(bases))


@pytest.mark.benchmark(group='KPAlign after its 3x3 convolutions')
@pytest.mark.parametrize('formulation', ['convolved, then sampled', 'deformable convolutions'])
def test_kpalign(benchmark, model, maps, formulation):
    branch, (bases, sampled) = model.head.keypoint_branch, maps
    if formulation == 'deformable convolutions':
        groups = coco_groups(model)
        benchmark(
            deformable_sample_and_predict,
            branch,
            bases,
            sampled,
            groups,
        )
    else:
        benchmark(sample_and_predict, branch, bases, sampled[:-1])


@pytest.mark.benchmark(group='Forward of 1216 x 800 pixels', warmup=True, min_rounds=7)
# What is prepared comes last: the process keeps its memory from then on.
@pytest.mark.parametrize('form', ["as the original's", 'as it is', 'prepared', 'prepared, bf16'])
def test_forward(benchmark, model, form):
    model = copy.deepcopy(model)
    if form.startswith('prepared'):
        dtype = torch.bfloat16 if form.endswith('bf16') else None
        optimize_for_inference(model, dtype, keep_freed_memory=True)
    elif form == "as the original's":
        groups = coco_groups(model)
        branch = model.head.keypoint_branch
        branch.forward = lambda feats: dict(keypoint_pred=deformable_kpalign(branch, feats, groups))
    image = torch.rand(1, 3, 800, 1216) * 255
    with torch.inference_mode():
        benchmark(lambda: model(image, None, mode='tensor'))
