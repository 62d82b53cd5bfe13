"""Every config builds, predicts and trains a step, on an input of a few pixels."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / 'configs/directpose').glob('*.py'))


def without_downloads(cfg):
    """Take the pre-trained weights out of a model's config."""
    for value in cfg.values():
        if isinstance(value, dict):
            without_downloads(value)
    if isinstance(cfg.get('init_cfg'), dict) and cfg['init_cfg'].get('type') == 'Pretrained':
        cfg['init_cfg'] = None
    return cfg


def sample(num_keypoints, size):
    """One large person in the middle of a square picture."""
    generator = torch.Generator().manual_seed(0)
    out = PoseDataSample(metainfo=dict(img_shape=(size, size)))
    out.gt_instance_labels = InstanceData(
        bboxes=torch.tensor([[10., 10., size - 10., size - 10.]]),
        labels=torch.zeros(1, dtype=torch.long),
        areas=torch.tensor([size * size / 2]),
        keypoints=10 + torch.rand(1, num_keypoints, 2, generator=generator) * (size - 20),
        keypoints_visible=torch.ones(1, num_keypoints))
    return out


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_builds_predicts_and_trains_a_step(path):
    torch.manual_seed(0)
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    model = MODELS.build(without_downloads(cfg.model))
    model.init_weights()
    size = 96
    samples = [sample(model.head.num_keypoints, size) for _ in range(2)]
    inputs = torch.randn(2, 3, size, size) * 50

    model.eval()
    with torch.no_grad():
        feats = model.extract_feat(inputs)
        predictions = model.head.predict(feats, samples, test_cfg=model.test_cfg)
    assert len(predictions) == 2
    assert all(p.keypoints.shape[1:] == (model.head.num_keypoints, 2) for p in predictions)

    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    losses = model.loss(inputs, samples)
    assert all(loss.isfinite() for loss in losses.values()), losses
    sum(losses.values()).backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    optimizer.step()
    assert all(p.isfinite().all() for p in model.parameters())
