"""The anti-aliased ResNet against a formulation written out by hand."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.runner import load_checkpoint
from mmpose.registry import MODELS

from directpose.models.resnet_aa import BlurPool, ResNetAA


def blur_by_hand(image):
    """Every output pixel of BlurPool by its definition; ``image`` is (H, W)."""
    taps = np.outer([1, 2, 1], [1, 2, 1]) / 16
    padded = np.pad(image, 1, mode='reflect')
    rows, columns = range(0, image.shape[0], 2), range(0, image.shape[1], 2)
    return np.array([[(padded[i : i + 3, j : j + 3] * taps).sum() for j in columns] for i in rows])


@pytest.mark.parametrize('size', [(8, 8), (7, 10), (2, 3)])
def test_blur_pool_equals_its_definition(size):
    image = np.random.default_rng(0).normal(size=(2, *size))
    out = BlurPool(2).double()(torch.from_numpy(image)[None])[0]
    np.testing.assert_allclose(out, [blur_by_hand(c) for c in image], rtol=1e-6)


def test_blur_pool_keeps_constant_images():
    assert torch.allclose(BlurPool(3)(torch.full((1, 3, 9, 9), 5.0)), torch.full((1, 3, 5, 5), 5.0))


def norm(x, state, name):
    return F.batch_norm(
        x, *(state[f'{name}.{k}'] for k in ('running_mean', 'running_var', 'weight', 'bias'))
    )


def blur(x):
    taps = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype)
    kernel = torch.outer(taps, taps)[None, None].repeat(x.shape[1], 1, 1, 1) / 16
    x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode='reflect'), kernel, groups=x.shape[1])
    return x[..., ::2, ::2]


def resnet_by_hand(x, s, depth):
    """Stem and stages written out with functions; ``s`` is the state dict."""
    x = F.relu(norm(F.conv2d(x, s['conv1.weight'], stride=2, padding=3), s, 'bn1'))
    x = blur(F.max_pool2d(x, 2, stride=1))
    outs = []
    for stage, count in enumerate({18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}[depth], 1):
        for index in range(count):
            name = f'layer{stage}.{index}'
            strided = stage > 1 and index == 0
            shortcut = x
            if f'{name}.downsample.1.weight' in s:
                conv, bn = (1, 2) if strided else (0, 1)
                weight = s[f'{name}.downsample.{conv}.weight']
                shortcut = F.conv2d(blur(x) if strided else x, weight)
                shortcut = norm(shortcut, s, f'{name}.downsample.{bn}')
            first, second = s[f'{name}.conv1.weight'], s.get(f'{name}.conv2.weight')
            last = s[f'{name}.conv{3 if depth == 50 else 2}{".1" if strided else ""}.weight']
            if depth == 50:
                y = F.relu(norm(F.conv2d(x, first), s, f'{name}.bn1'))
                y = F.relu(norm(F.conv2d(y, second, padding=1), s, f'{name}.bn2'))
                y = norm(F.conv2d(blur(y) if strided else y, last), s, f'{name}.bn3')
            else:
                y = F.relu(norm(F.conv2d(x, first, padding=1), s, f'{name}.bn1'))
                y = norm(F.conv2d(blur(y) if strided else y, last, padding=1), s, f'{name}.bn2')
            x = F.relu(y + shortcut)
        outs.append(x)
    return outs[1:]


@pytest.mark.parametrize('depth', [18, 50])
@pytest.mark.parametrize('with_cp', [False, True])
def test_equals_the_network_written_out(depth, with_cp):
    torch.manual_seed(0)
    model = ResNetAA(depth, base_channels=8, with_cp=with_cp).eval()
    for name, tensor in model.state_dict().items():
        if name.endswith(('running_mean', 'bias')):
            tensor.normal_(std=0.1)
        elif name.endswith('running_var'):
            tensor.uniform_(0.5, 1.5)
    x = torch.randn(1, 3, 70, 96)
    outs = model(x)
    wanted = resnet_by_hand(x, model.state_dict(), depth)
    assert [o.shape[1] for o in outs] == [w.shape[1] for w in wanted]
    for out, want in zip(outs, wanted, strict=True):
        torch.testing.assert_close(out, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('depth, channels', [(18, 512), (34, 512), (50, 2048), (101, 2048)])
def test_depths_build_by_name_and_have_strides_8_to_32(depth, channels):
    model = MODELS.build(dict(type='ResNetAA', depth=depth))
    assert isinstance(model, BaseModule)
    outs = model(torch.zeros(1, 3, 64, 96))
    assert [tuple(o.shape[2:]) for o in outs] == [(8, 12), (4, 6), (2, 3)]
    assert outs[-1].shape[1] == channels


@pytest.mark.parametrize('wrapped', [False, True])
def test_published_weights_load_as_they_are(tmp_path, wrapped):
    """Names of torchvision plus ``filt``, an unused fc, sometimes wrapped."""
    source = ResNetAA(18, base_channels=8)
    weights = {**source.state_dict(), 'fc.weight': torch.zeros(10, 64), 'fc.bias': torch.zeros(10)}
    path = str(tmp_path / 'resnet18_lpf3.pth')
    torch.save(dict(state_dict=weights) if wrapped else weights, path)
    model = ResNetAA(18, base_channels=8, init_cfg=dict(type='Pretrained', checkpoint=path))
    model.init_weights()
    for name, tensor in source.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name
    load_checkpoint(model, path)
    assert 'layer2.0.downsample.0.filt' in weights and 'maxpool.1.filt' in weights


@pytest.mark.parametrize('training', [False, True])
def test_recomputing_gives_the_same_gradients_and_statistics(training):
    torch.manual_seed(0)
    plain = ResNetAA(18, base_channels=8).train(training)
    recomputed = copy.deepcopy(plain)
    recomputed.with_cp = True
    x = torch.randn(2, 3, 64, 64)
    for model in (plain, recomputed):
        sum(o.square().sum() for o in model(x)).backward()
    for a, b in zip(plain.parameters(), recomputed.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
    for (name, a), b in zip(plain.named_buffers(), recomputed.buffers(), strict=True):
        torch.testing.assert_close(a, b, msg=name)
    assert int(plain.bn1.num_batches_tracked) == training


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match='depth 42.*18, 34, 50, 101'):
        ResNetAA(42)
    with pytest.raises(ValueError, match=r'out_indices \(4,\)'):
        ResNetAA(18, out_indices=(4,))


@pytest.mark.parametrize('frozen_stages, trained', [(-1, 'conv1'), (0, 'layer1'), (2, 'layer3')])
def test_frozen_stages_do_not_learn(frozen_stages, trained):
    """Neither their weights nor the statistics of their batch norm change."""
    torch.manual_seed(0)
    model = ResNetAA(18, base_channels=8, frozen_stages=frozen_stages).eval().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sum(out.square().mean() for out in model(torch.randn(2, 3, 64, 64))).backward()
    torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0).step()
    order = ['conv1', 'bn1', 'layer1', 'layer2', 'layer3', 'layer4']
    for name, value in model.state_dict().items():
        part = name.partition('.')[0]
        if part in order and 'filt' not in name:
            frozen = order.index(part) < order.index(trained)
            assert torch.equal(value, before[name]) == frozen, name


@pytest.mark.parametrize('frozen_stages', [-2, 5])
def test_stages_that_do_not_exist_cannot_be_frozen(frozen_stages):
    with pytest.raises(ValueError, match=f'frozen_stages {frozen_stages}'):
        ResNetAA(18, base_channels=8, frozen_stages=frozen_stages)
