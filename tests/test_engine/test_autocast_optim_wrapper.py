"""Mixed precision on the CPU: what autocast computes, with the plain wrapper's update."""

import copy

import torch
from mmpose.registry import OPTIM_WRAPPERS
from torch import nn

import directpose  # noqa: F401, registers the wrapper


def test_step_is_that_of_autocast_by_hand() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 1, 1))
    by_hand = copy.deepcopy(model)
    images = torch.randn(2, 3, 8, 8)
    wrapper = OPTIM_WRAPPERS.build(
        dict(
            type='Bf16OptimWrapper',
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
            clip_grad=dict(max_norm=0.01),
        )
    )
    with wrapper.optim_context(model):
        out = model(images)
        loss = out.float().square().sum()
    assert out.dtype == torch.bfloat16
    wrapper.update_params(loss)

    with torch.autocast('cpu', torch.bfloat16):
        by_hand(images).float().square().sum().backward()
    nn.utils.clip_grad_norm_(by_hand.parameters(), 0.01)
    torch.optim.SGD(by_hand.parameters(), lr=0.1).step()
    for ours, theirs in zip(model.parameters(), by_hand.parameters()):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, theirs)


def test_nothing_is_cast_outside_of_the_step() -> None:
    model = nn.Conv2d(3, 4, 1)
    wrapper = OPTIM_WRAPPERS.build(
        dict(type='Bf16OptimWrapper', optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    )
    with wrapper.optim_context(model):
        pass
    assert model(torch.randn(1, 3, 2, 2)).dtype == torch.float32
