"""COCO-WholeBody: five lists of keypoints become one, and the truth scores 1."""

from pathlib import Path

import numpy as np
import pytest
from mmengine import Config
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, METRICS

from directpose.dataset_check.annotations import KEYPOINT_LISTS
from directpose.datasets import BottomupCocoWholeBodyDataset
from tests.coco_files import person, write_coco

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cfg(tmp_path):
    """The data config over one image of one person, each keypoint at a place of its own."""
    init_default_scope('mmpose')
    triplets = np.full((133, 3), 2.0)
    triplets[:, 0] = 2 + np.arange(133) % 60
    triplets[:, 1] = 3 + np.arange(133) // 4
    parts = np.split(triplets, np.cumsum(list(KEYPOINT_LISTS.values()))[:-1])
    lists = {name: part.ravel().tolist() for name, part in zip(KEYPOINT_LISTS, parts, strict=True)}
    lists.update({name.replace('kpts', 'valid'): True for name in KEYPOINT_LISTS if 'kpts' in name})
    ann_file = write_coco(tmp_path, [{**person({}), **lists, 'num_keypoints': 17}])
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/coco_wholebody_keypoints.py')
    for split in ('train', 'val'):
        cfg[f'{split}_dataloader'].dataset.update(
            data_root='', ann_file=str(ann_file), data_prefix=dict(img=str(tmp_path / 'train2017'))
        )
    cfg.triplets = triplets.tolist()
    return cfg


def test_all_keypoints_in_the_order_of_the_metainfo(cfg):
    dataset = DATASETS.build(dict(cfg.train_dataloader.dataset, pipeline=[]))
    assert isinstance(dataset, BottomupCocoWholeBodyDataset)
    assert dataset.metainfo['num_keypoints'] == 133
    sample = dataset[0]
    np.testing.assert_allclose(sample['keypoints'][0], np.array(cfg.triplets)[:, :2])
    assert sample['keypoints_visible'].tolist() == [[1.0] * 133]


@pytest.mark.parametrize('face', ['"other": [', '"face_kpts": null, "other": ['])
def test_a_list_that_lacks_is_an_error(cfg, face):
    ann_file = Path(cfg.train_dataloader.dataset.ann_file)
    ann_file.write_text(ann_file.read_text().replace('"face_kpts": [', face))
    with pytest.raises(
        ValueError, match=r'has 65 keypoints \(keypoints 17, foot_kpts 6, face_kpts 0'
    ):
        DATASETS.build(cfg.train_dataloader.dataset)


def test_the_truth_scores_one(cfg):
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    metric = METRICS.build(cfg.val_evaluator)
    metric.dataset_meta = dataset.metainfo
    sample = dataset[0]['data_samples'].to_dict()
    sample['pred_instances'] = dict(
        keypoints=np.array(cfg.triplets)[None, :, :2],
        keypoint_scores=np.ones((1, 133)),
        bbox_scores=np.ones(1),
        bboxes=np.array([[0.0, 0.0, 60.0, 40.0]]),
    )
    metric.process([], [sample])
    assert metric.evaluate(1)['coco-wholebody/AP'] == pytest.approx(1)


@pytest.mark.parametrize('path', sorted(ROOT.glob('configs/directpose/*.py')), ids=lambda p: p.stem)
def test_every_config_names_data_sets_and_metrics_that_exist(path):
    init_default_scope('mmpose')
    cfg = Config.fromfile(path)
    for split in ('train', 'val', 'test'):
        assert DATASETS.get(cfg[f'{split}_dataloader'].dataset.type) is not None
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        assert METRICS.get(evaluator.type) is not None
