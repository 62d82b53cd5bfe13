"""However many processes test, the result is that of one."""

import json
import multiprocessing
import os
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

import directpose  # noqa: F401, registers what the config names
from tests.load_tool import run_tool

from .test_dist_train import WORLD_SIZE, free_port, run_distributed

ROOT = Path(__file__).resolve().parents[2]


def run_forked(log: Path, *args) -> None:
    """Run tools/test.py in two processes, which have the imports of this one.

    Args:
        log (Path): A file for what the processes print.
        *args: The arguments of the command line.
    """
    port = free_port()

    def run(rank: int) -> None:
        os.environ.update(
            RANK=str(rank),
            LOCAL_RANK=str(rank),
            WORLD_SIZE=str(WORLD_SIZE),
            MASTER_ADDR='127.0.0.1',
            MASTER_PORT=port,
        )
        sys.stdout = sys.stderr = open(log, 'a', buffering=1)
        sys.exit(run_tool('tools/test.py', *args, '--launcher', 'pytorch'))

    context = multiprocessing.get_context('fork')
    processes = [context.Process(target=run, args=(rank,)) for rank in range(WORLD_SIZE)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
        process.kill()
    assert [process.exitcode for process in processes] == [0] * WORLD_SIZE, log.read_text()


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
        else dict(test_cfg=dict(cls_thr=0.0))
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
        dict(type='PoseDump', out_file=str(tmp_path / 'one_poses.json')),
    ]
    cfg.experiment_name = f'one_process_{model}'
    runner = Runner.from_cfg(cfg)
    if model == 'directpose':
        runner.model.init_weights()
    torch.save(dict(state_dict=runner.model.state_dict()), cfg.load_from)
    metrics = runner.test()

    if model == 'directpose':
        start = partial(run_distributed, 'dist_test.sh', config, cfg.load_from, 2)
    else:
        start = partial(run_forked, tmp_path / 'log', config, cfg.load_from)
    start(
        '--work-dir',
        tmp_path / 'run',
        '--dump',
        tmp_path / 'two_poses.json',
        '--out',
        tmp_path / 'two.json',
    )
    assert json.loads((tmp_path / 'two.json').read_text()) == metrics
    one, two = [json.loads((tmp_path / f'{n}_poses.json').read_text()) for n in ('one', 'two')]
    assert [sample['img_id'] for sample in one] == [image['id'] for image in annotations['images']]
    assert one == two  # to the last bit
    poses = sum(len(sample['people']) for sample in one)
    if model == 'directpose':
        assert poses > 100
    else:
        assert 0.1 < metrics['coco/AP'] < 0.9
