"""KPAlign beside the original's formulation, at the sizes of a 1344 x 800 picture.

    pytest tests/bench_kpalign.py --benchmark-columns=min,median,stddev

The table's numbers in parentheses are the ratios to the fastest.
"""
import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from directpose.models.keypoint_groups import COCO_GROUPS, group_indices
from tests.conftest import ROOT
from tests.deformable_kpalign import deformable_sample_and_predict


@pytest.fixture(scope='module')
def head():
    """The paper's head, with random locators that point to the neighbourhood."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    cfg = Config.fromfile(ROOT / 'configs/directpose/directpose_r50-aa_fpn_8xb4-180k_coco.py')
    head = MODELS.build(cfg.model.head).eval().requires_grad_(False)
    torch.nn.init.normal_(head.keypoint_branch.locator.bias, std=2.)
    return head


@pytest.fixture(scope='module')
def maps(head):
    """The locator's vectors and the features to sample, of every level."""
    branch = head.keypoint_branch
    feats = [torch.randn(1, branch.locator.in_channels, -(-800 // stride), -(-1344 // stride))
             for stride in head.strides]
    return [branch.locate(feat) for feat in feats], [branch.feature_conv(feat) for feat in feats]


@pytest.mark.benchmark(group='KPAlign after its 3x3 convolutions')
@pytest.mark.parametrize('formulation', ['convolved, then sampled', 'deformable convolutions'])
def test_kpalign(benchmark, head, maps, formulation):
    branch, (bases, sampled) = head.keypoint_branch, maps
    if formulation == 'deformable convolutions':
        groups = group_indices(COCO_GROUPS, head.metainfo)
        benchmark(deformable_sample_and_predict, branch, [base.flatten(1, 2) for base in bases],
                  sampled, groups)
    else:
        benchmark(branch.sample_and_predict, bases, sampled[:-1])
