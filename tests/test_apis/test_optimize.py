"""A prepared model against the plain one."""
import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from torch import nn

from directpose.apis import optimize_for_inference


@pytest.fixture(params=['directpose_r18-aa-tiny_fpn', 'directpose_r50-aa_fpn'])
def model(request):
    """Statistics of BN that folding cannot ignore, as after training."""
    init_default_scope('mmpose')
    cfg = Config.fromfile(f'configs/_base_/models/{request.param}.py').model
    cfg.backbone.init_cfg = None
    torch.manual_seed(0)
    model = MODELS.build(cfg).eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.)
            nn.init.normal_(module.bias, std=0.1)
    return model


def test_equals_the_plain_model_and_has_no_batch_norm(model):
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
        scale = max(1., float(want.abs().max()))
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4 * scale)


def test_bfloat16_keeps_positions_in_full_precision(model):
    optimize_for_inference(model, torch.bfloat16)
    cls_scores, keypoints, _ = model(torch.randn(1, 3, 64, 64), None, mode='tensor')
    assert cls_scores[0].dtype == torch.bfloat16
    assert all(k.dtype == torch.float32 and k.isfinite().all() for k in keypoints)


def test_other_types_are_refused(model):
    with pytest.raises(ValueError, match='torch.int8'):
        optimize_for_inference(model, torch.int8)
