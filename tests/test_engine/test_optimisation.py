"""The original's learning rates, decays and schedule, for every parameter and iteration."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from .toy import ToyModel, build

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


@pytest.fixture(scope='module')
def recipe():
    return Config.fromfile(CONFIGS / 'directpose/directpose_r50-aa_fpn_8xb4-180k_coco.py')


@pytest.fixture(scope='module')
def model(recipe):
    init_default_scope('mmpose')
    recipe = recipe.copy()
    recipe.model.backbone.init_cfg = None
    return MODELS.build(recipe.model)


def test_every_parameter(recipe, model):
    """Decide by what a parameter is, where the constructor decides by its name."""
    expected = {}
    for part, head_mult in ((model.backbone, 1), (model.neck, 1), (model.head, 10)):
        for module in part.modules():
            for kind, param in module.named_parameters(recurse=False):
                assert kind in ('weight', 'bias')
                expected[param] = (
                    (0.01 * head_mult, 1e-4) if kind == 'weight' else (0.02 * head_mult, 0)
                )
    assert set(expected) == set(model.parameters())

    optimizer = build_optim_wrapper(model, recipe.optim_wrapper).optimizer
    seen = []
    for group in optimizer.param_groups:
        assert group['momentum'] == 0.9
        for param in group['params']:
            assert (group['lr'], group['weight_decay']) == pytest.approx(expected[param], rel=1e-12)
            seen.append(param)
    assert len(seen) == len(expected)
    assert set(seen) == set(expected)


@pytest.mark.parametrize(
    'name, lr, decay',
    [
        ('backbone.conv1.weight', 0.01, 1e-4),
        ('backbone.bn1.weight', 0.01, 1e-4),
        ('backbone.bn1.bias', 0.02, 0),
        ('neck.lateral_convs.0.conv.weight', 0.01, 1e-4),
        ('neck.lateral_convs.0.conv.bias', 0.02, 0),
        ('head.cls_tower.0.conv.weight', 0.1, 1e-4),
        ('head.cls_tower.0.gn.weight', 0.1, 1e-4),
        ('head.cls_tower.0.gn.bias', 0.2, 0),
        ('head.conv_cls.bias', 0.2, 0),
        ('head.keypoint_branch.predictors.8.bias', 0.2, 0),
        ('head.heatmap_head.convs.0.bn.weight', 0.1, 1e-4),
        ('head.heatmap_head.convs.0.bn.bias', 0.2, 0),
    ],
)
def test_named_parameters(recipe, model, name, lr, decay):
    param = model.get_parameter(name)
    for group in build_optim_wrapper(model, recipe.optim_wrapper).optimizer.param_groups:
        if any(param is other for other in group['params']):
            assert (group['lr'], group['weight_decay']) == pytest.approx((lr, decay), rel=1e-12)
            return
    pytest.fail(f'{name} is not optimised')


def test_unknown_option_is_refused(recipe, model):
    cfg = recipe.optim_wrapper.copy()
    cfg.paramwise_cfg = dict(norm_decay_mult=0)
    with pytest.raises(KeyError, match='norm_decay_mult'):
        build_optim_wrapper(model, cfg)


def test_frozen_parameters_are_left_out(recipe):
    model = ToyModel()
    model.backbone.requires_grad_(False)
    groups = build_optim_wrapper(model, recipe.optim_wrapper.copy()).optimizer.param_groups
    assert sum(len(group['params']) for group in groups) == len(list(model.head.parameters()))


def test_gradient_is_clipped_over_all_parameters_together(recipe):
    model = ToyModel()
    wrapper = build_optim_wrapper(model, recipe.optim_wrapper.copy())
    for i, param in enumerate(model.parameters()):
        param.grad = torch.full_like(param, 10.0 * (i + 1))
    before = [param.grad.clone() for param in model.parameters()]
    norm = torch.cat([grad.flatten() for grad in before]).double().norm()
    assert norm > 5
    wrapper.step()
    for param, grad in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(param.grad, (grad.double() * 5 / norm).float())


@pytest.mark.slow
def test_schedule_over_all_iterations(recipe, tmp_path):
    """lr(t) = lr * w(t) * (1 - t / 180000), by the schedulers of a Runner."""
    assert recipe.train_cfg.max_iters == 180000
    runner = build(
        tmp_path, optim_wrapper=recipe.optim_wrapper, param_scheduler=recipe.param_scheduler
    )
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    schedulers = runner.build_param_scheduler(runner.param_schedulers)
    assert len(schedulers) == 2
    groups = runner.optim_wrapper.optimizer.param_groups
    base = [0.01, 0.02, 0.1, 0.2]
    assert [group['initial_lr'] for group in groups] == pytest.approx(base, rel=1e-12)

    for t in range(180001):
        if t in (0, 1, 499, 500, 501, 1000, 90000, 179999, 180000):
            factor = (1 / 3 if t < 500 else 1) * (1 - t / 180000)
            for group, lr in zip(groups, base, strict=True):
                assert abs(group['lr'] - lr * factor) < 1e-12, t
        for scheduler in schedulers:
            scheduler.step()


def test_first_update_is_made_with_the_first_rate(recipe, tmp_path):
    """The hook steps the schedule after the update, so t = 0 is used and not skipped."""
    runner = build(
        tmp_path, 2, optim_wrapper=recipe.optim_wrapper, param_scheduler=recipe.param_scheduler
    )
    rates = []

    class Record(torch.optim.SGD):
        def step(self, closure=None):
            rates.append(self.param_groups[0]['lr'])

    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    wrapper.optimizer.__class__ = Record
    runner.optim_wrapper = wrapper
    runner.train()
    assert rates == pytest.approx([0.01 / 3, 0.01 / 3 * (1 - 1 / 180000)], rel=1e-12)
