"""The keypoints' metainfo, and that all who compare poses have the same sigmas."""

import logging
import re

import numpy as np
import pytest
from mmengine.logging import MMLogger
from mmpose.evaluation import CocoMetric
from mmpose.registry import MODELS

from directpose.datasets import BottomupCocoDataset
from directpose.metainfo import DEFAULT_SIGMA, SIGMA_LIMITS, parse_metainfo
from directpose.runtime.settings import _are_sigmas
from tests.coco_files import person, write_coco

COCO = dict(from_file='configs/_base_/datasets/coco.py')


def pair(sigmas, name='ears'):
    """Metainfo of two keypoints."""
    return dict(
        dataset_name=name,
        keypoint_info={0: dict(name='left', swap='right'), 1: dict(name='right', swap='left')},
        skeleton_info={},
        joint_weights=[1.0, 1.0],
        sigmas=sigmas,
    )


def test_default_is_the_mean_of_cocos():
    assert round(float(parse_metainfo(COCO)['sigmas'].mean()), 3) == DEFAULT_SIGMA


def test_sigmas_that_are_given_stay():
    assert parse_metainfo(pair([0.03, 0.04]))['sigmas'] == pytest.approx([0.03, 0.04])


@pytest.mark.parametrize('sigmas', [[0.05], [0.05] * 3])
def test_number_of_sigmas_must_be_that_of_the_keypoints(sigmas):
    with pytest.raises(ValueError, match=f"'ears' has {len(sigmas)} sigmas, but 2 keypoints"):
        parse_metainfo(pair(sigmas))


@pytest.mark.parametrize('wrong', [0, -0.05, float('nan'), float('inf'), 1e-7, 2e6])
def test_sigmas_beyond_the_limits_are_refused(wrong):
    message = f"'ears' has the sigma {re.escape(f'{wrong:g}')} for right: .* from 1e-06 to 1e\\+06"
    with pytest.raises(ValueError, match=message):
        parse_metainfo(pair([0.05, wrong]))


def test_an_exported_file_may_have_every_sigma_that_the_metainfo_may_have():
    """The export rounds the float32 of the metainfo to six digits."""
    parsed = parse_metainfo(pair(list(SIGMA_LIMITS)))['sigmas']
    assert _are_sigmas([float(f'{sigma:.6g}') for sigma in parsed])


def test_loss_assignment_and_metric_take_the_default_alike(tmp_path, caplog):
    metainfo = pair([], name='ears without sigmas')  # MMEngine says a warning once a process
    ann_file = write_coco(tmp_path, [person({0: (5, 5), 1: (40, 30)}, num=2)])
    logger = MMLogger.get_current_instance()  # it does not propagate to caplog's
    level = logger.level  # another test may have made it quiet
    logger.addHandler(caplog.handler)
    logger.setLevel(logging.WARNING)
    try:
        dataset = BottomupCocoDataset(
            ann_file=str(ann_file),
            data_prefix=dict(img=str(tmp_path / 'train2017')),
            metainfo=metainfo,
            test_mode=True,
        )
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel(level)
    assert "'ears without sigmas' has no sigmas: 0.067" in caplog.text
    head = MODELS.build(
        dict(
            type='DirectPoseOKSHead',
            metainfo=metainfo,
            groups=None,
            in_channels=32,
            feat_channels=32,
            group_channels=8,
            stacked_convs=1,
            loss_oks=dict(type='OKSLoss', reduction='none', norm_target_weight=True),
            assigner=dict(type='SimOTAAssigner', dynamic_k_indicator='oks'),
        )
    )
    metric = CocoMetric()
    metric.dataset_meta = dataset.metainfo
    expected = np.full(2, 0.067, dtype=np.float32)
    for sigmas in (
        metric.dataset_meta['sigmas'],
        head.loss_oks.sigmas.numpy(),
        head.assigner.oks_calculator.sigmas.numpy(),
    ):
        np.testing.assert_array_equal(sigmas, expected)
