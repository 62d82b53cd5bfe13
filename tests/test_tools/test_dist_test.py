"""However many processes test, the result is that of one."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

import directpose  # noqa: F401, registers what the config names

from .test_dist_train import run_distributed

ROOT = Path(__file__).resolve().parents[2]


def assert_same(a, b) -> None:
    """Compare two structures of dumped predictions, to the last bit."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif hasattr(a, 'tolist'):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert (a == b).all()
    else:
        assert a == b


@pytest.mark.slow
@pytest.mark.parametrize('model', ['directpose', 'noisy_oracle'])
def test_two_processes_score_as_one(tmp_path, synthetic_coco, model):
    """The real model gives many poses to compare, the oracle an AP that is not 0."""
    annotations = json.loads(
        (synthetic_coco / 'annotations/person_keypoints_val2017.json').read_text()
    )
    # Five images for two processes: the first one again, under another number.
    again = len(annotations['images']) + 1001
    annotations['images'].append(dict(annotations['images'][0], id=again))
    annotations['annotations'] += [
        dict(ann, id=ann['id'] + 10**6, image_id=again)
        for ann in annotations['annotations']
        if ann['image_id'] == annotations['images'][0]['id']
    ]
    assert len(annotations['images']) == 5
    ann_file = tmp_path / 'five.json'
    ann_file.write_text(json.dumps(annotations))

    config = tmp_path / 'config.py'
    config.write_text(f"""
_base_ = [
    '{ROOT}/configs/_base_/models/directpose_r18-aa-tiny_fpn.py',
    '{ROOT}/configs/_base_/datasets/synthetic_keypoints_128.py',
    '{ROOT}/configs/_base_/default_runtime.py',
]
custom_imports = dict(imports=['directpose', 'tests.test_tools.distributed_parts'])
model = {
        dict(_delete_=True, type='NoisyOracle')
        if model == 'noisy_oracle'
        else dict(test_cfg=dict(score_thr=0.0))
    }
test_dataloader = dict(dataset=dict(data_root='{synthetic_coco}', ann_file='{ann_file}'))
train_dataloader = None
test_cfg = dict()
val_dataloader = val_evaluator = None
""")
    cfg = Config.fromfile(config)
    cfg.work_dir = str(tmp_path / 'one')
    cfg.load_from = str(tmp_path / 'model.pth')
    cfg.test_evaluator = [
        cfg.test_evaluator,
        dict(type='DumpResults', out_file_path=str(tmp_path / 'one.pkl')),
    ]
    cfg.experiment_name = f'one_process_{model}'
    runner = Runner.from_cfg(cfg)
    if model == 'directpose':
        runner.model.init_weights()
    torch.save(dict(state_dict=runner.model.state_dict()), cfg.load_from)
    metrics = runner.test()

    run_distributed(
        'dist_test.sh',
        config,
        cfg.load_from,
        2,
        '--work-dir',
        tmp_path / 'run',
        '--dump',
        tmp_path / 'two.pkl',
        '--out',
        tmp_path / 'two.json',
    )
    assert json.loads((tmp_path / 'two.json').read_text()) == metrics
    one, two = [pickle.loads((tmp_path / name).read_bytes()) for name in ('one.pkl', 'two.pkl')]
    assert [sample['img_id'] for sample in one] == [image['id'] for image in annotations['images']]
    assert_same(one, two)
    poses = sum(len(sample['pred_instances']['keypoints']) for sample in one)
    if model == 'directpose':
        assert poses > 100
    else:
        assert 0.1 < metrics['coco/AP'] < 0.9
