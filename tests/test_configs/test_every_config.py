"""Every config builds all that a training needs, predicts and trains a step, on small pictures."""

import json
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import DATASETS

from directpose.dataset_check.annotations import KEYPOINT_LISTS
from directpose.metainfo import parse_metainfo
from tests.conftest import ROOT
from tests.steps import make_batch, train_a_step, without_downloads

CONFIGS = sorted((ROOT / 'configs/directpose').glob('*.py'))


def write_data(dataset: dict, synthetic: Path) -> None:
    """Lay the drawn people out as a config's data set expects its files.

    A person of another kind than COCO's has the drawn keypoints again and again, up to the
    kind's number of keypoints.
    """
    split = 'val2017' if dataset.get('test_mode') else 'train2017'
    root = Path(dataset['data_root'])
    images = root / dataset['data_prefix']['img']
    shutil.copytree(synthetic / split, images, dirs_exist_ok=True)
    data = json.loads((synthetic / f'annotations/person_keypoints_{split}.json').read_text())
    metainfo = dataset.get('metainfo') or DATASETS.get(dataset['type']).METAINFO
    metainfo = parse_metainfo(metainfo)
    num_keypoints = metainfo['num_keypoints']
    data['categories'][0]['keypoints'] = list(metainfo['keypoint_id2name'].values())
    for person in data['annotations']:
        drawn = np.reshape(person['keypoints'], (-1, 3))
        values = np.resize(drawn, (num_keypoints, 3)).tolist()
        for name, count in KEYPOINT_LISTS.items() if num_keypoints == 133 else [('keypoints', -1)]:
            count = len(values) if count < 0 else count
            person[name] = [v for triplet in values[:count] for v in triplet]
            person[name.replace('kpts', 'valid')] = person[name]
            values = values[count:]
        assert not values
    for image in data['images']:
        image['crowdIndex'] = 0.5  # of CrowdPose
    file = root / dataset['ann_file']
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data))


@pytest.fixture
def make_runner(synthetic_coco, tmp_path):
    """The Runner of a config, on drawn people and without downloads."""

    def make(path):
        cfg = Config.fromfile(path)
        init_default_scope(cfg.default_scope)
        without_downloads(cfg.model)
        cfg.work_dir = str(tmp_path / 'work')
        for split in ('train', 'val', 'test'):
            loader = cfg[f'{split}_dataloader']
            loader.update(num_workers=0, persistent_workers=False, pin_memory=False)
            for number, dataset in enumerate(loader.dataset.get('datasets', [loader.dataset])):
                dataset.data_root = str(tmp_path / f'{split}{number}')
                dataset.indices = None
                write_data(dataset, synthetic_coco)
        return Runner.from_cfg(cfg)

    return make


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_builds_predicts_and_trains_a_step(path, make_runner):
    runner = make_runner(path)
    model, cfg = runner.model, runner.cfg
    model.init_weights()
    num_keypoints = model.head.num_keypoints

    # the pipelines, samplers, loops and metrics
    train_loop = runner.build_train_loop(cfg.train_cfg)
    assert train_loop.max_iters == cfg.train_cfg.max_iters
    dataloader = train_loop.dataloader
    for index in islice(dataloader.sampler, 4):  # mirrored ones among them
        sample = dataloader.dataset[index]
        assert sample['inputs'].shape[0] == 3
        labels = sample['data_samples'].gt_instance_labels
        assert labels.keypoints.shape[1:] == (num_keypoints, 2) and len(labels.bboxes) > 0
    for loop in (runner.build_val_loop(cfg.val_cfg), runner.build_test_loop(cfg.test_cfg)):
        sample = loop.dataloader.dataset[0]
        assert sample['data_samples'].gt_instances.keypoints.shape[1:] == (num_keypoints, 2)
        assert loop.evaluator.dataset_meta['num_keypoints'] == num_keypoints

    # the hooks
    hooks = [type(hook).__name__ for hook in runner.hooks]
    wanted = [*cfg.default_hooks.values(), *cfg.get('custom_hooks', ())]
    assert {hook['type'] for hook in wanted} <= set(hooks)

    # the optimiser and the schedule
    runner.optim_wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    schedule = runner.build_param_scheduler(cfg.param_scheduler)
    assert len(schedule) == len(cfg.param_scheduler)
    optimizer = runner.optim_wrapper.optimizer
    trained = {p for group in optimizer.param_groups for p in group['params']}
    assert trained == {p for p in model.parameters() if p.requires_grad}
    assert all(group['lr'] < group['initial_lr'] for group in optimizer.param_groups)  # warm-up

    batch = make_batch(model, size=96)
    model.eval()
    with torch.no_grad():
        feats = model.extract_feat(batch['inputs'])
        predictions = model.head.predict(feats, batch['data_samples'], test_cfg=model.test_cfg)
    assert len(predictions) == 2
    assert all(p.keypoints.shape[1:] == (num_keypoints, 2) for p in predictions)

    train_a_step(model, batch, runner.optim_wrapper)
    for scheduler in schedule:
        scheduler.step()
