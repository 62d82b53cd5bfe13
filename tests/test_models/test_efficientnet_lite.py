"""EfficientNet-Lite0 against recorded features of a published implementation."""

import warnings

import numpy as np
import pytest
import torch
from mmcv.cnn.bricks import Conv2dAdaptivePadding
from mmengine.config import Config
from mmpose.registry import MODELS

import directpose  # noqa: F401, registers the backbone
from directpose.datasets.transforms import ShortSideResize
from directpose.deployment import export_onnx
from directpose.models import EfficientNetLite0
from directpose.models.efficientnet_lite import SameConv2d
from tests.conftest import ROOT
from tests.steps import build_model

PRETRAINED = dict(type='Pretrained', checkpoint='directpose://efficientnet-lite0_imagenet')


def test_features_are_those_of_the_published_implementation() -> None:
    """`efficientnet_lite0.npz` holds the features that the PyPI package
    `efficientnet-lite-pytorch` 0.1.0 gives with the same weights, rounded to half precision."""
    model = MODELS.build(dict(type='EfficientNetLite0', init_cfg=PRETRAINED)).eval()
    model.init_weights()
    images = np.random.default_rng(0).standard_normal((1, 3, 64, 96), dtype=np.float32)
    with torch.no_grad():
        feats = model(torch.from_numpy(images))
    recorded = np.load(ROOT / 'tests/data/efficientnet_lite0.npz')
    assert len(feats) == 3
    for stride, feat in zip((8, 16, 32), feats):
        np.testing.assert_allclose(feat.numpy(), recorded[f'stride_{stride}'], atol=1e-4)


@pytest.mark.parametrize('size', [(8, 8), (8, 9), (9, 8), (9, 9)])
@pytest.mark.parametrize('kernel_size', [3, 5])
def test_padding_is_that_of_mmcv(kernel_size, size) -> None:
    """Height and width are padded apart, whether they are odd or even."""
    conv = SameConv2d(2, 4, kernel_size, stride=2)
    reference = Conv2dAdaptivePadding(2, 4, kernel_size, stride=2)
    reference.load_state_dict(conv.state_dict())
    x = torch.randn(1, 2, *size)
    torch.testing.assert_close(conv(x), reference(x))


def test_depthwise_convolutions_learn_in_single_precision_under_autocast() -> None:
    """Their gradients in bfloat16 are slow on a CPU; the frozen ones have no gradients."""
    torch.manual_seed(0)
    conv = SameConv2d(8, 8, 3, stride=2, groups=8, bias=False)
    x = torch.randn(2, 8, 9, 9)
    expected = conv(x)
    wanted = torch.autograd.grad(expected.sum(), conv.weight)[0]
    with torch.autocast('cpu', torch.bfloat16):
        got = conv(x)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(torch.autograd.grad(got.sum(), conv.weight)[0], wanted)
    conv.requires_grad_(False)
    with torch.autocast('cpu', torch.bfloat16):
        assert conv(x).dtype == torch.bfloat16


def test_training_computes_what_evaluation_computes() -> None:
    """Training orders the memory by pixels, not by channels."""
    model = EfficientNetLite0(norm_eval=True)
    x = torch.randn(2, 3, 64, 96)
    for trained, evaluated in zip(model.train()(x), model.eval()(x)):
        assert trained.is_contiguous()
        torch.testing.assert_close(trained, evaluated, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('frozen_stages', [0, 2])
def test_frozen_stages_keep_weights_and_statistics(frozen_stages) -> None:
    """The stem is frozen too; the statistics of the other stages learn."""
    model = EfficientNetLite0(frozen_stages=frozen_stages).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    sum(feat.square().mean() for feat in model(torch.randn(2, 3, 64, 64))).backward()
    optimizer.step()
    changed = {
        name
        for name, value in model.state_dict().items()
        if value.is_floating_point() and not torch.equal(value, before[name])
    }
    frozen = ('stem.', *(f'stages.{i}.' for i in range(frozen_stages)))
    assert not [name for name in changed if name.startswith(frozen)]
    for kind in ('weight', 'running_mean'):
        learnt = {name.split('.')[1] for name in changed if name.endswith(kind)}
        assert learnt == set('0123456'[frozen_stages:])


def test_norm_eval_keeps_the_statistics_alone() -> None:
    model = EfficientNetLite0(norm_eval=True).train()
    model(torch.randn(2, 3, 64, 64))
    assert not [n for n, b in model.named_buffers() if n.endswith('num_batches_tracked') and b]
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize('frozen_stages', [-2, 8])
def test_impossible_number_of_frozen_stages(frozen_stages: int) -> None:
    with pytest.raises(ValueError, match=r'-1 \.\. 7'):
        EfficientNetLite0(frozen_stages=frozen_stages)


@pytest.fixture(scope='module')
def model() -> EfficientNetLite0:
    return EfficientNetLite0().eval()


@pytest.fixture(scope='module')
def exported(model, tmp_path_factory) -> str:
    pytest.importorskip('onnx')
    path = str(tmp_path_factory.mktemp('exported') / 'backbone.onnx')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(
            model,
            torch.rand(1, 3, 128, 128),
            path,
            dynamo=False,
            input_names=['images'],
            dynamic_axes=dict(images={2: 'height', 3: 'width'}),
        )
    return path


def test_an_exported_graph_pads_right_at_other_sizes(model, exported) -> None:
    onnxruntime = pytest.importorskip('onnxruntime')
    session = onnxruntime.InferenceSession(exported, providers=['CPUExecutionProvider'])
    images = torch.rand(1, 3, 96, 160)
    with torch.no_grad():
        expected = model(images)
    for got, wanted in zip(session.run(None, dict(images=images.numpy())), expected):
        np.testing.assert_allclose(got, wanted.numpy(), atol=1e-4)


def test_sizes_that_the_file_would_pad_wrongly_are_refused(tmp_path) -> None:
    cfg = Config.fromfile('configs/ablation/base.py')
    cfg.model.data_preprocessor.pad_size_divisor = 16
    model = build_model(cfg).eval()
    with pytest.raises(ValueError, match='pad_size_divisor=16 .* no multiples of 32; set 32'):
        export_onnx(model, tmp_path / 'model.onnx', ShortSideResize(64, 100))
    assert not list(tmp_path.iterdir())


def test_onnx_runtime_makes_the_padding_a_part_of_the_convolutions(exported, tmp_path) -> None:
    onnx, onnxruntime = pytest.importorskip('onnx'), pytest.importorskip('onnxruntime')
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / 'optimized.onnx')
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    onnxruntime.InferenceSession(exported, options, providers=['CPUExecutionProvider'])
    nodes = onnx.load(options.optimized_model_filepath).graph.node
    assert {node.op_type for node in nodes} == {'Conv', 'Clip', 'Add'}


def test_statistics_follow_slowly() -> None:
    """TensorFlow's 0.99, as in the published implementation, is 0.01 in PyTorch."""
    norms = [m for m in EfficientNetLite0().modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.01}
