"""Every config builds, predicts and trains a step, on an input of a few pixels."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from tests.steps import build_model, make_batch, train_a_step

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / 'configs/directpose').glob('*.py'))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_builds_predicts_and_trains_a_step(path):
    model = build_model(Config.fromfile(path))
    batch = make_batch(model, size=96)

    model.eval()
    with torch.no_grad():
        feats = model.extract_feat(batch['inputs'])
        predictions = model.head.predict(feats, batch['data_samples'], test_cfg=model.test_cfg)
    assert len(predictions) == 2
    assert all(p.keypoints.shape[1:] == (model.head.num_keypoints, 2) for p in predictions)

    train_a_step(model, batch)
