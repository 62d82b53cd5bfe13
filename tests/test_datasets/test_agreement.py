"""What the checker passes the data set loads, and what it refuses the data set refuses."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmengine.logging import MMLogger
from mmpose.datasets.transforms import GenerateTarget, LoadImage, RandomFlip
from PIL import ExifTags, Image

from directpose.dataset_check import DatasetError
from directpose.datasets import BottomupCocoDataset
from tests.coco_files import person, write_coco
from tests.mutated_annotations import (
    RECIPE,
    check_agreement,
    metainfo_read_once,
    mutate,
    score,
    sound_file,
    use,
)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32))
def test_checker_and_data_set_agree_on_damaged_files(tmp_path_factory, seed):
    root = tmp_path_factory.mktemp('damaged')
    ann_file = sound_file(root)
    content = mutate(json.loads(ann_file.read_text()), random.Random(seed))
    ann_file.write_bytes(content)
    with metainfo_read_once():
        check_agreement(root, ann_file)


@pytest.fixture
def sound(tmp_path):
    ann_file = sound_file(tmp_path)
    return ann_file, str(tmp_path / 'train2017'), json.loads(ann_file.read_text())


def test_a_byte_order_mark_is_read_by_data_set_and_metric(sound):
    ann_file, images, _ = sound
    ann_file.write_bytes(b'\xef\xbb\xbf' + ann_file.read_bytes())
    assert use(ann_file, images, test_mode=False) is None
    assert use(ann_file, images, test_mode=True) is None  # runs the metric


def test_what_training_does_not_read_never_stops_it(sound):
    ann_file, images, coco = sound
    ann = coco['annotations'][0]
    ann['keypoints'][:3] = [float('nan'), float('inf'), 0]  # as FiftyOne writes it
    ann.update(area='17', num_keypoints='16', segmentation=None, attributes=[{}])
    del coco['annotations'][1]['area'], coco['annotations'][2]['iscrowd']
    ann_file.write_text(json.dumps(coco))
    assert use(ann_file, images, test_mode=False) is None
    refused = use(ann_file, images, test_mode=True)
    assert 'error: area (1)' in refused and 'error: missing-area (1)' in refused
    assert 'error: missing-iscrowd (1)' in refused


def read(ann_file, images, **kwargs):
    return BottomupCocoDataset(
        ann_file=str(ann_file), data_prefix=dict(img=images), pipeline=[LoadImage()], **kwargs
    )


def test_areas_are_not_asked_for_where_the_metric_does_without(sound):
    ann_file, images, coco = sound
    for ann in coco['annotations']:
        del ann['area']
    ann_file.write_text(json.dumps(coco))
    with pytest.raises(DatasetError, match='use_area=False'):
        read(ann_file, images, test_mode=True)
    assert len(read(ann_file, images, test_mode=True, use_area=False)) == 3


def test_the_log_counts_whom_a_rule_leaves_out(tmp_path, caplog):
    points = {k: (5 + k, 5 + k) for k in range(17)}
    people = [
        person(points, 1, 1),
        person({}, 2, 1),
        person(points, 3, 1, iscrowd=1),
        person({0: (500, 500)}, 4, 1),
    ]
    ann_file = write_coco(tmp_path, people, num_images=3)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    read(ann_file, str(tmp_path / 'train2017'))
    logger.removeHandler(caplog.handler)
    for part in (
        'Learn from 1 of 4 annotations',
        '1 are crowd regions (the first is annotation 3 of image 1',
        '1 have no labelled keypoint (the first is annotation 2',
        '1 have no labelled keypoint in the image (the first is annotation 4',
        '2 of 3 images have no annotation and are left out',
    ):
        assert part in caplog.text


def test_images_without_anybody_are_kept_as_negatives_on_demand(sound):
    ann_file, images, _ = sound
    rule = dict(min_labelled_keypoints=10, min_bbox_size=1)
    assert len(read(ann_file, images, filter_cfg=rule)) == 2
    dataset = read(ann_file, images, filter_cfg=dict(rule, keep_negatives=True))
    assert [dataset.get_data_info(k)['img_id'] for k in range(3)] == [1, 2, 3]
    somebody, nobody = dataset.get_data_info(0), dataset.get_data_info(2)
    assert somebody.keys() == nobody.keys()
    for key in ('bbox', 'bbox_score', 'keypoints', 'keypoints_visible', 'area', 'category_id'):
        assert nobody[key].shape == (0, *somebody[key].shape[1:]), key
        assert nobody[key].dtype == somebody[key].dtype, key
    dataset.pipeline.transforms = [
        *RECIPE,
        RandomFlip(prob=1.0),
        GenerateTarget(encoder=dict(type='YOLOXPoseAnnotationProcessor')),
    ]
    np.random.seed(0)
    assert dataset[2]['keypoints'].shape == (0, 17, 2)


def test_an_image_is_compared_with_its_entry_when_it_is_drawn(sound):
    ann_file, images, coco = sound
    coco['images'][1].update(width=640)
    ann_file.write_text(json.dumps(coco))
    dataset = read(ann_file, images)
    dataset[0]
    with pytest.raises(DatasetError, match='is 640 x 48, but its file 64 x 48'):
        dataset[1]
    with pytest.raises(DatasetError, match='more than the limit of 100'):
        read(ann_file, images, max_pixels=100)[0]


def test_a_picture_that_exif_turns_does_not_fit_annotations_in_its_own_frame(sound):
    ann_file, images, coco = sound
    path = Path(images) / coco['images'][0]['file_name']
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # by a right angle
    with Image.open(path) as picture:
        picture.load()
    picture.save(path, exif=exif)
    with pytest.raises(DatasetError, match='is 64 x 48, but its file 48 x 64'):
        read(ann_file, images)[0]


def test_a_file_without_annotations_can_be_tested_and_the_log_says_what_for(
    sound, caplog, tmp_path
):
    ann_file, images, coco = sound
    del coco['annotations']  # as in COCO's image_info_test-dev2017.json
    ann_file.write_text(json.dumps(coco))
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    dataset = read(ann_file, images, test_mode=True)
    logger.removeHandler(caplog.handler)
    assert 'format_only=True' in caplog.text
    prefix = str(tmp_path / 'found')
    score(dataset, list(dataset), ann_file=str(ann_file), format_only=True, outfile_prefix=prefix)
    assert len(json.loads((tmp_path / 'found.keypoints.json').read_text())) == 3
    with pytest.raises(DatasetError, match='it needs "annotations"'):
        read(ann_file, images)
