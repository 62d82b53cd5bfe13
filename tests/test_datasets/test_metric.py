"""Ground truth given as prediction has AP 1, from the image file to COCO's table."""

from pathlib import Path

import pytest
from mmengine import Config
from mmengine.runner import Runner

import directpose  # noqa: F401, registers what the config names
from directpose.cli.config_data import check_data
from tests.coco_files import person, write_coco
from tests.oracle import Oracle

CONFIG = Path(__file__).parents[2] / 'configs/_base_/datasets/coco_keypoints_320.py'


def evaluate(work_dir, model, **dataset):
    cfg = Config.fromfile(CONFIG)
    cfg.test_dataloader.dataset.update(dataset)
    return run_test(cfg, work_dir, model)


def run_test(cfg, work_dir, model):
    loader = cfg.test_dataloader
    loader.update(num_workers=0, persistent_workers=False)
    runner = Runner(
        model=model,
        work_dir=str(work_dir),
        test_dataloader=loader,
        test_evaluator=cfg.test_evaluator,
        test_cfg=dict(),
        default_scope='mmpose',
        experiment_name=f'oracle_{work_dir.name}',
        log_level='WARNING',
    )
    return runner.test()


def test_ground_truth_scores_one_and_less_does_not(tmp_path):
    keypoints = {i: (6 + 3 * i, 5 + 2 * (i % 7)) for i in range(17)}
    people = [
        person(keypoints, 1, 1),
        person({i: keypoints[i] for i in range(5)}, 2, 2, area=1500),
        person({}, 3, 2, bbox=[40, 30, 10, 10], area=100),  # no keypoint: ignored
        person({}, 4, 3, iscrowd=1),
    ]
    write_coco(tmp_path, people, num_images=4, size=(81, 54), part='val2017')

    table = evaluate(tmp_path / 'right', Oracle(), data_root=str(tmp_path))
    assert table['coco/AP'] == table['coco/AR'] == 1

    class Shifted(Oracle):
        def _poses(self, image, sample):
            poses = super()._poses(image, sample)
            poses.keypoints = poses.keypoints + 12
            return poses

    table = evaluate(tmp_path / 'wrong', Shifted(), data_root=str(tmp_path))
    assert table['coco/AP'] < 0.5


def test_nobody_found_is_no_error(tmp_path):
    write_coco(tmp_path, [person({i: (9 + i, 9) for i in range(17)})], part='val2017')

    class Blind(Oracle):
        def _poses(self, image, sample):
            return super()._poses(image, sample)[:0]

    assert evaluate(tmp_path / 'blind', Blind(), data_root=str(tmp_path))['coco/AP'] == 0


def test_two_data_sets_are_scored_by_their_own_metrics(tmp_path):
    """With the same ids in both, and a model that is right on one of them."""
    keypoints = {i: (6 + 3 * i, 5 + 2 * (i % 7)) for i in range(17)}
    folders = {'coco': tmp_path / 'own', 'Human-Art': tmp_path / 'art'}
    for folder in folders.values():
        people = [person(keypoints, 1, 1), person(keypoints, 2, 2)]
        write_coco(folder, people, num_images=2, size=(81, 54), part='val2017')
    cfg = Config.fromfile(CONFIG)
    one = cfg.test_dataloader.dataset
    pack = one.pipeline[-1]
    pack.meta_keys = (*pack.meta_keys, 'dataset_name')
    kinds = [dict(type='BottomupCocoDataset'), dict(type='HumanArtDataset')]
    cfg.test_dataloader.dataset = dict(
        type='CombinedDataset',
        metainfo=dict(from_file='configs/_base_/datasets/coco.py'),
        datasets=[
            dict(one, **kind, data_root=str(folder), pipeline=[])
            for kind, folder in zip(kinds, folders.values())
        ],
        pipeline=one.pipeline,
        test_mode=True,
    )
    metric = cfg.test_evaluator
    cfg.test_evaluator = dict(
        type='MultiDatasetEvaluator',
        metrics=[dict(metric, prefix=name) for name in folders],
        datasets=kinds,
    )
    cfg.model = {}  # check_data wants one
    check_data(cfg, ('test',))  # does not refuse the evaluator

    class RightOnOne(Oracle):
        def _poses(self, image, sample):
            poses = super()._poses(image, sample)
            poses.keypoints = poses.keypoints + 30 * (sample.dataset_name == 'Human-Art')
            return poses

    table = run_test(cfg, tmp_path / 'run', RightOnOne())
    assert table['coco/AP'] == 1
    assert table['Human-Art/AP'] < 0.2


def test_ground_truth_of_drawn_people_scores_one(tmp_path, synthetic_coco):
    table = evaluate(tmp_path, Oracle(), data_root=str(synthetic_coco))
    assert table['coco/AP'] == 1


@pytest.mark.parametrize('part', ['train', 'val'])
def test_ground_truth_of_photographs_scores_one(tmp_path, coco_mini, part):
    table = evaluate(
        tmp_path,
        Oracle(),
        data_root='',
        ann_file=str(coco_mini / 'annotations' / f'person_keypoints_{part}.json'),
        data_prefix=dict(img=str(coco_mini / 'images')),
    )
    assert table['coco/AP'] == 1
    assert table['coco/AP (M)'] == table['coco/AP (L)'] == 1
