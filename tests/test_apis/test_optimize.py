"""A prepared model against the plain one."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from torch import nn

from directpose.apis import optimize_for_inference
from tests.steps import without_downloads

TINY = 'r18-aa-tiny_fpn_1xb8-1200_synthetic'


def build(name):
    """A model with statistics of BN that folding cannot ignore, as after training."""
    init_default_scope('mmpose')
    cfg = Config.fromfile(f'configs/directpose/directpose_{name}.py')
    torch.manual_seed(0)
    model = MODELS.build(without_downloads(cfg.model)).eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.1)
    return model


@pytest.mark.parametrize(
    'name',
    [
        TINY,
        'r50-aa_fpn_8xb4-180k_coco',
        'r50_fpn_8xb4-180k_coco',
        'mobilenetv2_fpn_8xb8-90k_coco-416',
        'cspnext-s_pafpn_8xb8-90k_coco-640',
    ],
)
def test_equals_the_plain_model_and_has_no_batch_norm(name):
    model = build(name)
    image = torch.randn(1, 3, 96, 128)
    with torch.no_grad():
        wanted = copy.deepcopy(model)(image, None, mode='tensor')
    prepared = optimize_for_inference(model)
    assert prepared is model
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())
    assert model.head.heatmap_head is None
    maps = model(image, None, mode='tensor')
    for got, want in zip(sum(maps, []), sum(map(list, wanted), []), strict=True):  # noqa: RUF017
        assert got.is_inference()
        scale = max(1.0, float(want.abs().max()))
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_keeps_positions_in_full_precision(dtype):
    model = build(TINY)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        wanted = copy.deepcopy(model)(image, None, mode='tensor')
    cls_scores, keypoints, _ = optimize_for_inference(model, dtype)(image, None, mode='tensor')
    assert cls_scores[0].dtype == dtype
    for got, want in zip(keypoints, wanted[1], strict=True):
        assert got.dtype == torch.float32
        assert (got - want).abs().max() < 0.05 * want.abs().max()


def test_compiled_equals_the_plain_model(monkeypatch):
    compiled = []

    def compile(forward, compiler=torch.compile):
        """As ever but for the compiler's last stage, which takes most of a minute."""
        compiled.append(forward.__self__)
        return compiler(forward, backend='aot_eager')

    monkeypatch.setattr(torch, 'compile', compile)
    model = build(TINY)
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        wanted = copy.deepcopy(model)(image, None, mode='tensor')
    maps = optimize_for_inference(model, compile=True)(image, None, mode='tensor')
    for got, want in zip(sum(maps, []), sum(map(list, wanted), []), strict=True):  # noqa: RUF017
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)
    assert compiled == [model.backbone, model.neck]  # not the head, on a CPU


def test_other_types_are_refused():
    with pytest.raises(ValueError, match='torch.int8'):
        optimize_for_inference(build(TINY), torch.int8)
