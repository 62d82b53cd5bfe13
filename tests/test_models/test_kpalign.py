"""KPAlign against the slow, obvious formulation: a deformable convolution a group and level."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from directpose.models.kpalign import KPAlign, sample_bilinear, sampling_points
from tests.deformable_kpalign import deformable_kpalign

STRIDES = (8, 16, 32, 64, 128)
GROUPS = [[0, 3, 1], [4], [2, 6], [5]]


def make(groups=GROUPS, channels=8, strides=STRIDES, spread=1.0, seed=0, num_finest=1):
    torch.manual_seed(seed)
    module = KPAlign(channels, groups, strides, num_finest)
    torch.nn.init.normal_(module.locator.weight, std=spread * 0.2)
    torch.nn.init.normal_(module.locator.bias, std=spread)
    for predictor in module.predictors:
        torch.nn.init.normal_(predictor.bias)
    return module


def pyramid(sizes, channels, seed=1):
    torch.manual_seed(seed)
    return [torch.randn(2, channels, h, w) for h, w in sizes]


@pytest.mark.parametrize('spread', [0.3, 3.0, 30.0], ids=['near', 'far', 'mostly outside'])
@pytest.mark.parametrize('num_finest', [1, 0, 2, 4])
def test_equals_deformable_convolutions(spread, num_finest):
    module = make(spread=spread, num_finest=num_finest)
    sizes = [(20, 28), (10, 14), (5, 7), (3, 4), (2, 2)]
    mine, theirs = pyramid(sizes, 32), pyramid(sizes, 32)
    results = []
    for feats, function in (
        (mine, lambda f: module(f)['keypoint_pred']),
        (theirs, lambda f: deformable_kpalign(module, f, GROUPS, num_finest)),
    ):
        for feat in feats:
            feat.requires_grad_()
        module.zero_grad()
        preds = function(feats)
        weights = [torch.linspace(-1, 1, p.numel()).view_as(p) for p in preds]
        sum((p * w).sum() for p, w in zip(preds, weights, strict=True)).backward()
        results.append(
            (preds, [f.grad for f in feats], [p.grad.clone() for p in module.parameters()])
        )
    for ours, reference in zip(*results, strict=True):
        for a, b in zip(ours, reference, strict=True):
            # None is the gradient of a level that nothing samples in a given formulation
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * max(1, float(b.abs().max())))


def test_keypoints_stand_in_the_order_of_the_data_set():
    """With features that do nothing, keypoint k is its group's base plus its bias."""
    module = make(spread=0.0)
    module.feature_conv.requires_grad_(False)
    for g, predictor in enumerate(module.predictors):
        predictor.weight.data.zero_()
        predictor.bias.data = torch.tensor([[float(k), k + 0.5] for k in GROUPS[g]]).flatten()
    module.locator.bias.data.zero_()
    preds = module(pyramid([(4, 4)] * 5, 32))['keypoint_pred']
    head = {0, 3, 1}
    for level, pred in enumerate(preds):
        for k in range(7):
            ratio = 2**level if k in head else min(2**level, 2)
            want = torch.tensor([k / ratio, (k + 0.5) / ratio])
            torch.testing.assert_close(pred[0, 2 * k : 2 * k + 2, 0, 0], want)


def test_gradcheck():
    """Also with respect to the positions, away from the kinks at cell borders."""
    module = make(groups=[[0, 1], [2]], channels=4, strides=(8, 16), spread=0.0).double()
    module.locator.weight.data.zero_()
    module.locator.bias.data = torch.tensor([0.31, -0.42, 1.37, 9.21]).double()
    feats = [
        torch.randn(1, 8, *size, dtype=torch.double, requires_grad=True)
        for size in ((4, 5), (2, 3))
    ]
    parameters = [p.requires_grad_() for p in module.parameters()]
    assert torch.autograd.gradcheck(
        lambda *_: tuple(module(feats)['keypoint_pred']), (*feats, *parameters), eps=1e-6, atol=1e-5
    )


def bilinear_by_hand(image, x, y):
    """image is (H, W)."""
    total = 0.0
    x0, y0 = int(x // 1), int(y // 1)
    for j in (x0, x0 + 1):
        for i in (y0, y0 + 1):
            if 0 <= i < image.shape[0] and 0 <= j < image.shape[1]:
                total += float(image[i, j]) * (1 - abs(x - j)) * (1 - abs(y - i))
    return total


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.lists(st.tuples(st.floats(-4, 9), st.floats(-4, 9)), min_size=1, max_size=8),
)
def test_sampling_is_bilinear_and_zero_outside(height, width, points):
    maps = torch.arange(1.0, height * width + 1, dtype=torch.double).view(1, 1, height, width)
    got = sample_bilinear(maps, torch.tensor(points, dtype=torch.double)[None])[0, 0]
    want = [bilinear_by_hand(maps[0, 0], x, y) for x, y in points]
    torch.testing.assert_close(got, torch.tensor(want, dtype=torch.double), rtol=0, atol=1e-9)


def test_sampling_points_of_a_finer_map():
    base = torch.zeros(1, 1, 2, 2, 3)
    base[0, 0, :, 1, 2] = torch.tensor([0.5, -1.0])
    positions = torch.tensor([[0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1]])
    points = sampling_points(base.flatten(3), positions, torch.tensor([4] * 6))[0, 0]
    assert points[0].tolist() == [2, 2]
    assert points[5].tolist() == [4 * 2.5 + 2, 4 * 0.0 + 2]


def test_positions_keep_full_precision_in_half_precision():
    module = make().to(torch.bfloat16)
    feats = [f.to(torch.bfloat16) for f in pyramid([(8, 8), (4, 4), (2, 2), (1, 1), (1, 1)], 32)]
    assert all(p.dtype == torch.float32 for p in module(feats)['keypoint_pred'])


def test_single_level_and_single_cell():
    (pred,) = make(strides=(8,))(pyramid([(1, 1)], 32))['keypoint_pred']
    assert pred.shape == (2, 14, 1, 1)
