"""The operators that torchvision computes for MMCV, against MMCV's own and by themselves."""

import importlib

import mmcv.ops
import numpy as np
import pytest
import torch
from mmcv.utils import ext_loader

from directpose_stack import mmcv_operators

COMPILED = not ext_loader.load_ext('_ext', []).__file__.endswith('.py')
needs_compiled = pytest.mark.skipif(
    not COMPILED, reason='needs an MMCV with compiled operators: setup_env.sh --compile-mmcv'
)


def random(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    values = np.random.default_rng([seed, *shape]).standard_normal(shape)
    return torch.from_numpy(values).float() * scale


def boxes_and_scores(seed: int, n: int, ties: bool) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 60, (n, 2)), rng.uniform(0, 40, (n, 2))
    if ties:
        corner, size = corner.round(), size.round()
    scores = rng.integers(0, 4, n) / 4 if ties else rng.uniform(0, 1, n)
    boxes = np.concatenate([corner, corner + size], axis=1)
    return torch.from_numpy(boxes).float(), torch.from_numpy(scores).float()


def slow_nms(boxes: np.ndarray, scores: np.ndarray, threshold: float, offset: int) -> list[int]:
    """Non-maximum suppression as a loop; of equal scores the first box is better."""
    kept = []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        for k in kept:
            low, high = (
                np.maximum(boxes[i, :2], boxes[k, :2]),
                np.minimum(boxes[i, 2:], boxes[k, 2:]),
            )
            overlap = np.prod(np.maximum(high - low + offset, 0))
            areas = [np.prod(boxes[j, 2:] - boxes[j, :2] + offset) for j in (i, k)]
            if overlap > threshold * (sum(areas) - overlap):
                break
        else:
            kept.append(i)
    return kept


@pytest.mark.parametrize('ties', [False, True])
@pytest.mark.parametrize('offset', [0, 1])
def test_nms_is_that_of_a_loop(offset: int, ties: bool) -> None:
    for seed in range(40):
        # 0.43 is the IoU of no two boxes of whole pixels here, where rounding would decide.
        boxes, scores = boxes_and_scores(seed, n=seed * 2, ties=ties)
        kept = mmcv_operators.nms(boxes, scores, iou_threshold=0.43, offset=offset)
        assert kept.tolist() == slow_nms(
            boxes.double().numpy(), scores.double().numpy(), 0.43, offset
        )


@needs_compiled
@pytest.mark.parametrize('offset', [0, 1])
def test_nms_is_that_of_mmcv(offset: int) -> None:
    for seed in range(100):
        boxes, scores = boxes_and_scores(seed, n=100, ties=False)
        kept = mmcv_operators.nms(boxes, scores, iou_threshold=0.4, offset=offset)
        _, theirs = mmcv.ops.nms(boxes, scores, 0.4, offset=offset)
        assert torch.equal(kept, theirs)


def deform_conv(image, offset, mask, weight, bias):
    return mmcv.ops.deform_conv2d(image, offset, weight, (2, 1), (1, 2), (2, 1), 2, 2)


def modulated_deform_conv(image, offset, mask, weight, bias):
    return mmcv.ops.modulated_deform_conv2d(
        image, offset, mask, weight, bias, (2, 1), (1, 2), (2, 1), 2, 2
    )


def modulated_deform_conv_without_bias(image, offset, mask, weight, bias):
    return mmcv.ops.modulated_deform_conv2d(
        image, offset, mask, weight, None, (2, 1), (1, 2), (2, 1), 2, 2
    )


def roi_align(image, offset, mask, weight, bias):
    rois = torch.tensor([[0, 1.2, 0.4, 6.5, 5.1], [1, -2, 3, 4, 9.5]], dtype=image.dtype)
    return mmcv.ops.roi_align(image, rois, (3, 2), 0.7, 2, 'avg', True)


MODULES = {
    deform_conv: 'deform_conv',
    modulated_deform_conv: 'modulated_deform_conv',
    modulated_deform_conv_without_bias: 'modulated_deform_conv',
    roi_align: 'roi_align',
}


def inputs() -> list[torch.Tensor]:
    """Image, offset, mask, weight and bias of a 3x3 convolution of two groups."""
    height, width = 3, 10  # of the output
    return [
        random(2, 4, 8, 8),
        random(2, 2 * 2 * 9, height, width, scale=2),
        random(2, 2 * 9, height, width),
        random(6, 2, 3, 3),
        random(6),
    ]


def value_and_gradients(operator, values: list[torch.Tensor]) -> list[torch.Tensor | None]:
    leaves = [v.clone().requires_grad_() for v in values]
    output = operator(*leaves)
    (output * random(*output.shape, seed=1)).sum().backward()
    return [output.detach(), *(leaf.grad for leaf in leaves)]


@needs_compiled
@pytest.mark.parametrize('operator', MODULES)
def test_values_and_gradients_are_those_of_mmcv(operator, monkeypatch) -> None:
    theirs = value_and_gradients(operator, inputs())
    module = importlib.import_module(f'mmcv.ops.{MODULES[operator]}')
    monkeypatch.setattr(module, 'ext_module', mmcv_operators)
    ours = value_and_gradients(operator, inputs())
    assert sum(grad is not None for grad in theirs[1:]) >= 1
    for a, b in zip(ours, theirs):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('operator', MODULES)
def test_gradients_are_finite_differences(operator, monkeypatch) -> None:
    module = importlib.import_module(f'mmcv.ops.{MODULES[operator]}')
    monkeypatch.setattr(module, 'ext_module', mmcv_operators)
    values = [v.double() for v in inputs()]
    used = [
        i for i, grad in enumerate(value_and_gradients(operator, inputs())[1:]) if grad is not None
    ]
    rng = np.random.default_rng(0)
    for i in used:
        leaves = [v.clone().requires_grad_() for v in values]
        output = operator(*leaves)
        weights = torch.from_numpy(rng.standard_normal(output.shape))
        (output * weights).sum().backward()
        # Along a random direction, with a step that crosses no cell of the sampling.
        direction = torch.from_numpy(rng.standard_normal(values[i].shape)) * 1e-7
        moved = [[*values[:i], values[i] + sign * direction, *values[i + 1 :]] for sign in (1, -1)]
        with torch.no_grad():
            plus, minus = ((operator(*v) * weights).sum() for v in moved)
        expected = (leaves[i].grad * direction).sum()
        torch.testing.assert_close((plus - minus) / 2, expected, rtol=1e-4, atol=1e-12)


def test_focal_loss_is_its_formula() -> None:
    logits, target = random(6, 3, scale=2), torch.tensor([0, 1, 2, 3, 3, 1])
    weight = torch.tensor([0.5, 2.0, 1.0])
    output, grad = torch.zeros(6, 3), torch.zeros(6, 3)
    mmcv_operators.sigmoid_focal_loss_forward(logits, target, weight, output, 2.0, 0.25)
    mmcv_operators.sigmoid_focal_loss_backward(logits, target, weight, grad, 2.0, 0.25)
    for n in range(6):
        for c in range(3):
            x = logits[n, c].double().item()
            scale = weight[min(target[n].item(), 2)].item()

            def loss(x: float, is_class: bool = target[n] == c, scale: float = scale) -> float:
                p = 1 / (1 + np.exp(-x))
                if is_class:
                    return -scale * 0.25 * (1 - p) ** 2 * np.log(p)
                return -scale * 0.75 * p**2 * np.log(1 - p)

            assert output[n, c].item() == pytest.approx(loss(x), rel=1e-4)
            slope = (loss(x + 1e-5) - loss(x - 1e-5)) / 2e-5
            assert grad[n, c].item() == pytest.approx(slope, rel=1e-3)


def test_other_operators_import_and_refuse_when_called() -> None:
    assert hasattr(mmcv_operators, 'ms_deform_attn_forward')
    with pytest.raises(NotImplementedError, match=r'ms_deform_attn_forward .*--compile-mmcv'):
        mmcv_operators.ms_deform_attn_forward(1, b=2)
    with pytest.raises(NotImplementedError, match=r"roi_align with pool_mode='max'"):
        mmcv_operators.roi_align_forward(*inputs(), pool_mode=0)
