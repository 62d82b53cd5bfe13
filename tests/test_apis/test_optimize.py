"""A prepared model against the plain one, and as the ordinary model that it still is."""

import copy
import io
import pickle

import pytest
import torch
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from torch import nn

from directpose.apis import optimize_for_inference
from directpose.models import PoseTTAModel
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
        assert not got.requires_grad
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


def maps_of(model, image):
    """All raw maps of a model in one list."""
    return sum(map(list, model(image, None, mode='tensor')), [])  # noqa: RUF017


def through_pickle(model):
    return pickle.loads(pickle.dumps(model))


def through_torch(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize('compile', [False, True])
@pytest.mark.parametrize('copied', [copy.deepcopy, through_pickle, through_torch])
def test_a_copy_computes_with_its_own_weights(copied, compile):
    model = optimize_for_inference(build(TINY), torch.bfloat16, compile=compile)
    image = torch.randn(1, 3, 64, 64)
    copy = copied(model)
    if not compile:  # a copy is not compiled, so its rounding differs
        for got, want in zip(maps_of(copy, image), maps_of(model, image), strict=True):
            assert torch.equal(got, want)
    for parameter in copy.parameters():
        parameter.zero_()
    assert all((value == 0).all() for value in maps_of(copy, image))


def test_preparing_again_replaces_the_type():
    """Only one cast may be left: a second one would round the image to bfloat16."""
    model, image = build(TINY), torch.randn(1, 3, 64, 64)
    wanted = optimize_for_inference(copy.deepcopy(model), torch.bfloat16)
    for part in (wanted.backbone, wanted.neck, wanted.head):
        part.float()  # rounded weights, computed with in fp32
    wanted.backbone._forward_pre_hooks.clear()
    again = optimize_for_inference(optimize_for_inference(model, torch.bfloat16), torch.float32)
    for got, want in zip(maps_of(again, image), maps_of(wanted, image), strict=True):
        assert got.dtype == torch.float32
        assert torch.equal(got, want)


@pytest.fixture
def process_group(tmp_path):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize('dtype', [None, torch.bfloat16])
def test_a_model_in_a_wrapper_is_prepared(process_group, dtype):
    model, image = build(TINY), torch.randn(1, 3, 64, 64)
    alone = optimize_for_inference(copy.deepcopy(model), dtype)
    wrapped = MMDistributedDataParallel(PoseTTAModel(model))
    assert optimize_for_inference(wrapped, dtype) is wrapped
    assert model.head.heatmap_head is None
    for got, want in zip(maps_of(model, image), maps_of(alone, image), strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize('asked', [True, False])
def test_memory_is_kept_only_if_asked_for(monkeypatch, asked):
    calls = []
    monkeypatch.setattr('directpose.apis.memory.keep_freed_memory', lambda: calls.append(1))
    optimize_for_inference(build(TINY), keep_freed_memory=asked)
    assert len(calls) == asked


def test_other_types_are_refused():
    with pytest.raises(ValueError, match='torch.int8'):
        optimize_for_inference(build(TINY), torch.int8)
