"""The weights of the keypoint loss against its definition, one person at a time."""

import pytest
import torch
from mmdet.models.losses import L1Loss

from directpose.models.losses import keypoint_weights


def keypoint_loss_by_hand(pred, target, visible, centerness):
    total, weights = 0.0, 0.0
    for p in range(len(pred)):
        seen = [k for k in range(pred.shape[1]) if visible[p, k] > 0]
        if not seen:
            continue
        person = sum((pred[p, k] - target[p, k]).abs().mean().item() for k in seen) / len(seen)
        total += centerness[p].item() * person
        weights += centerness[p].item()
    return total / max(weights, 1.0)


@pytest.mark.parametrize('num_positives', [0, 1, 2, 40])
def test_l1_loss_with_these_weights_is_the_keypoint_loss(num_positives):
    torch.manual_seed(num_positives)
    pred, target = torch.randn(2, num_positives, 5, 2)
    visible = torch.randint(0, 2, (num_positives, 5)).float()
    visible[:1] = 0
    centerness = torch.rand(num_positives)
    weights, divisor = keypoint_weights(visible, centerness)
    loss = L1Loss()(pred, target, weights, avg_factor=divisor)
    want = keypoint_loss_by_hand(pred, target, visible, centerness)
    assert loss.item() == pytest.approx(want, rel=1e-5)


def test_the_divisor_is_at_least_one():
    """One poor location must not be blown up."""
    _, divisor = keypoint_weights(torch.ones(1, 3), torch.tensor([0.1]))
    assert divisor.item() == 1
