"""A training step under bf16 autocast against fp32, on the same batch.

AmpOptimWrapper needs a GPU, so here the step is made by hand, on the CPU.
"""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.utils import set_random_seed
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

import directpose  # noqa: F401, registers what the config names

CONFIG = Path(__file__).resolve().parents[2] / 'configs/_base_/models/directpose_r18-aa-tiny_fpn.py'


@pytest.fixture(scope='module')
def model():
    init_default_scope('mmpose')
    set_random_seed(0)
    model = MODELS.build(Config.fromfile(CONFIG).model)
    model.init_weights()
    return model


@pytest.fixture(scope='module')
def batch(model):
    """Two images of 128 px with two people each."""
    random = np.random.default_rng(0)
    samples = []
    for _ in range(2):
        corners = random.uniform(4, 40, (2, 1, 2))
        keypoints = torch.tensor(corners + random.uniform(0, 60, (2, 17, 2)), dtype=torch.float32)
        instances = InstanceData(
            keypoints=keypoints,
            keypoints_visible=torch.ones(2, 17),
            bboxes=torch.cat((keypoints.amin(1) - 1, keypoints.amax(1) + 1), dim=1),
        )
        samples.append(
            PoseDataSample(metainfo=dict(img_shape=(128, 128)), gt_instance_labels=instances)
        )
    images = [torch.tensor(random.integers(0, 255, (3, 128, 128), dtype=np.uint8)) for _ in samples]
    return model.data_preprocessor(dict(inputs=images, data_samples=samples), training=True)


def step(model, batch, enabled: bool):
    """Make one SGD step of a copy of the model.

    Returns:
        tuple[dict, Tensor, Tensor]: The losses, the gradient and the change of the weights, of
        all parameters in one vector.
    """
    model = copy.deepcopy(model).train()
    params = list(model.parameters())
    before = torch.cat([param.detach().flatten() for param in params])
    optimizer = torch.optim.SGD(params, lr=0.01)
    with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
        losses = model(**batch, mode='loss')
    model.parse_losses(losses)[0].backward()
    assert all(param.grad.dtype == torch.float32 for param in params)
    gradient = torch.cat([param.grad.flatten() for param in params])
    optimizer.step()
    after = torch.cat([param.detach().flatten() for param in params])
    return losses, gradient, after - before


def test_step_is_that_of_fp32(model, batch):
    full, full_gradient, full_change = step(model, batch, enabled=False)
    half, half_gradient, half_change = step(model, batch, enabled=True)
    assert full.keys() == half.keys()
    assert len(full) == 4
    for name in full:
        assert half[name].dtype == torch.float32
        assert half[name].item() == pytest.approx(full[name].item(), rel=0.02), name
        assert half[name].item() != full[name].item(), 'autocast has changed nothing'
    # Batch norm over two small images magnifies the rounding of bf16, 2^-9 of a number.
    assert F.cosine_similarity(half_gradient, full_gradient, dim=0) > 0.95
    torch.testing.assert_close(half_gradient.norm(), full_gradient.norm(), rtol=0.05, atol=0)
    assert (half_change - full_change).norm() < 0.3 * full_change.norm()


def test_sampling_and_losses_are_in_fp32(model, batch, monkeypatch):
    sampled, lost = [], []
    grid_sample = F.grid_sample

    def spy(maps, grid, **kwargs):
        sampled.append((maps.dtype, grid.dtype))
        return grid_sample(maps, grid, **kwargs)

    monkeypatch.setattr(F, 'grid_sample', spy)
    head = model.head
    losses = (head.loss_cls, head.loss_centerness, head.loss_keypoint, head.loss_heatmap)
    handles = [
        loss.register_forward_pre_hook(lambda _, args: lost.append(args[0].dtype))
        for loss in losses
    ]
    convolved = []
    handles.append(
        head.conv_cls.register_forward_hook(lambda module, args, out: convolved.append(out.dtype))
    )
    step(model, batch, enabled=True)
    for handle in handles:
        handle.remove()
    assert set(convolved) == {torch.bfloat16}
    assert sampled and set(sampled) == {(torch.float32, torch.float32)}
    assert lost == [torch.float32] * 4


def test_poses_are_in_fp32(model, batch):
    model = model.eval()
    test_cfg = dict(model.test_cfg, cls_thr=0.0)
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        poses, *_ = model.head.predict(
            model.extract_feat(batch['inputs']), batch['data_samples'], test_cfg
        )
    assert len(poses) > 10
    assert poses.keypoints.dtype == poses.bbox_scores.dtype == poses.bboxes.dtype == np.float32
