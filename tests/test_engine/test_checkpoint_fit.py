"""Checkpoints that are not of the model are refused, not used in part."""

import pytest
import torch
from torch import nn

from directpose.engine.checkpoint_fit import check_weights
from directpose.engine.errors import CheckpointError

from .toy import train

HOOK = dict(default_hooks__load_check=dict(type='CheckLoadedHook'))


class Estimator(nn.Module):
    """Named as the weights of an estimator are."""

    def __init__(self, num_keypoints: int = 17) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.head = nn.ModuleDict(
            dict(conv=nn.Conv2d(4, num_keypoints, 1), heatmap_head=nn.Conv2d(4, 1, 1))
        )


def checkpoint_of(model, without='nothing', prefix=''):
    weights = model.state_dict().items()
    return dict(state_dict={prefix + k: v for k, v in weights if without not in k})


@pytest.mark.parametrize('without', ['nothing', 'heatmap_head', 'num_batches_tracked'])
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_what_inference_needs_is_enough(without, prefix):
    model = Estimator()
    check_weights(model, checkpoint_of(model, without, prefix), 'x.pth')


def test_training_needs_the_heatmap_branch_too():
    model = Estimator()
    checkpoint = checkpoint_of(model, without='heatmap_head')
    with pytest.raises(CheckpointError, match='lacks 2 weights .* head.heatmap_head'):
        check_weights(model, checkpoint, 'x.pth', for_training=True)


def test_a_missing_and_a_misshapen_weight_are_named():
    model = Estimator()
    with pytest.raises(CheckpointError, match=r'x\.pth: lacks 2 weights .* head\.conv\.bias'):
        check_weights(model, checkpoint_of(model, without='head.conv'), 'x.pth')
    other = checkpoint_of(Estimator(num_keypoints=14))
    with pytest.raises(CheckpointError, match=r'2 weights .* head\.conv\.weight: \(14, 4, 1, 1\)'):
        check_weights(model, other, 'x.pth')


@pytest.fixture
def saved(tmp_path):
    """Weights of the toy, with a head of one output, and of the rest."""
    runner = train(tmp_path / 'first', 2)
    path = tmp_path / 'first/iter_2.pth'

    def change(function) -> str:
        checkpoint = torch.load(path)
        function(checkpoint)
        torch.save(checkpoint, path)
        return str(path)

    return runner, change


def start(tmp_path, path, **changes):
    return train(tmp_path / 'second', 1, load_from=path, **HOOK, **changes)


def test_a_part_of_the_model_starts_a_training(saved, tmp_path):
    def keep_backbone(checkpoint):
        weights = checkpoint['state_dict'].items()
        checkpoint['state_dict'] = {k: v for k, v in weights if k.startswith('backbone')}

    start(tmp_path, saved[1](keep_backbone))


def widen_head(checkpoint):
    """As weights for another number of keypoints."""
    checkpoint['state_dict']['head.1.weight'] = torch.ones(5, 8)
    checkpoint['state_dict']['head.1.bias'] = torch.ones(5)


def test_another_number_of_outputs_is_refused(saved, tmp_path):
    path = saved[1](widen_head)
    with pytest.raises(CheckpointError, match=r'2 weights .*\(5, 8\), not \(1, 8\).*allow_partial'):
        start(tmp_path, path)


def test_another_number_of_outputs_starts_if_it_is_meant(saved, tmp_path):
    path = saved[1](widen_head)
    runner = start(
        tmp_path,
        path,
        default_hooks__load_check__allow_partial=True,
        optim_wrapper__optimizer__lr=0,
    )
    theirs = torch.load(path)['state_dict']['backbone.0.weight']
    assert torch.equal(runner.model.state_dict()['backbone.0.weight'], theirs)


def test_weights_of_something_else_are_refused(saved, tmp_path):
    path = saved[1](lambda c: c.update(state_dict=dict(other=torch.zeros(1))))
    with pytest.raises(CheckpointError, match="no weight of the config's model.*other"):
        start(tmp_path, path)


@pytest.mark.parametrize(
    'change, told',
    [
        (lambda c: c.pop('meta'), 'without the state of a training'),
        (lambda c: c['meta'].update(iter='5'), 'without the state of a training'),
        (lambda c: c.pop('message_hub'), 'without the state of a training'),
        (lambda c: c['state_dict'].pop('head.1.bias'), 'lacks 1 weights'),
        (widen_head, 'another shape'),
    ],
)
def test_resuming_needs_all(saved, tmp_path, change, told):
    path = saved[1](change)
    with pytest.raises(CheckpointError, match=told) as raised:
        start(tmp_path, path, resume=True)
    assert 'iter_2.pth' in str(raised.value)
