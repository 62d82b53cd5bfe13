import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from mmengine import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS
from pycocotools.coco import COCO

from directpose.datasets import BottomupCocoDataset
from tests.coco_files import person, write_coco

CONFIGS = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'
RECIPE_FILTER = dict(min_labelled_keypoints=10, min_bbox_size=1)


def points(n, start=0):
    return {start + i: (5 + i, 6 + i) for i in range(n)}


def build(root, part='train2017', **kwargs):
    return BottomupCocoDataset(
        data_root=str(root),
        ann_file=f'annotations/person_keypoints_{part}.json',
        data_prefix=dict(img=part),
        **kwargs,
    )


def image_ids(dataset):
    return [dataset.get_data_info(i)['img_id'] for i in range(len(dataset))]


@pytest.fixture
def filtered_root(tmp_path):
    """One image for every rule of the filter; 1, 2 and 7 pass."""
    people = [
        person(points(10), 1, 1),
        person(points(4), 2, 2),
        person(points(6), 3, 2),  # ten together
        person(points(9), 4, 3),  # one too few
        person(points(4), 5, 4),
        person(points(17), 6, 4, iscrowd=1),  # a crowd does not count
        person(points(17), 7, 5, bbox=[3, 3, 1, 40]),  # as wide as 1 px, not wider
        person({}, 8, 6),
        person(points(17), 9, 7, bbox=[3, 3, 1, 40]),
        person({}, 10, 7, bbox=[3, 3, 1.5, 2]),  # any person's box does
    ]
    write_coco(tmp_path, people, num_images=8)  # 8 has no annotation
    return tmp_path


def test_filter_keeps_images_with_enough_keypoints_and_a_box(filtered_root):
    assert image_ids(build(filtered_root, filter_cfg=RECIPE_FILTER)) == [1, 2, 7]
    assert image_ids(build(filtered_root, filter_cfg=dict(min_labelled_keypoints=10))) == [
        1, 2, 5, 7,
    ]  # fmt: skip
    assert image_ids(build(filtered_root, filter_cfg=dict(min_bbox_size=1))) == [
        1, 2, 3, 4, 6, 7,
    ]  # fmt: skip
    assert image_ids(build(filtered_root)) == [1, 2, 3, 4, 5, 6, 7]


@pytest.fixture
def log(caplog):
    """The log, which does not propagate to caplog's handler by itself."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def test_filter_says_what_it_drops(filtered_root, log):
    build(filtered_root, filter_cfg=RECIPE_FILTER)
    said = log.text
    assert 'Train on 3 of 7 images' in said
    assert '3 have fewer than 10 labelled keypoints' in said
    assert '1 more no box wider and higher than 1 px' in said


def test_every_third_image(filtered_root, log):
    """What the log counts are the people and images that are taken."""
    assert image_ids(build(filtered_root, sample_interval=3)) == [3, 6]
    assert 'Learn from 1 of 2 annotations' in log.text
    assert 'no annotation' not in log.text


def test_nothing_is_filtered_in_test_mode(filtered_root):
    dataset = build(filtered_root, filter_cfg=RECIPE_FILTER, test_mode=True)
    assert sorted(image_ids(dataset)) == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize('serialize_data', [True, False])
def test_lazy_init_indices_and_serialising(filtered_root, serialize_data):
    dataset = build(
        filtered_root,
        filter_cfg=RECIPE_FILTER,
        lazy_init=True,
        serialize_data=serialize_data,
        indices=2,
    )
    assert not dataset._fully_initialized
    assert image_ids(dataset) == [1, 2]
    assert image_ids(pickle.loads(pickle.dumps(dataset))) == [1, 2]


def test_people_of_an_image_come_together(filtered_root):
    people = build(filtered_root, filter_cfg=RECIPE_FILTER)[1]
    assert people['keypoints'].shape == (2, 17, 2)
    assert people['keypoints_visible'].sum(axis=1).tolist() == [4, 6]
    assert os.path.isfile(people['img_path'])


def test_cocos_visibility_is_kept_on_demand(tmp_path):
    one = person(points(5), 1, 1)
    one['keypoints'][2:12:3] = [2, 1, 0, 1]
    one['keypoints'][6:8] = [0, 0]
    one['num_keypoints'] = 4
    write_coco(tmp_path, [one], num_images=1)
    mmposes, cocos = build(tmp_path), build(tmp_path, keep_visibility=True)
    visible = cocos.get_data_info(0)['keypoints_visible']
    assert visible.dtype == np.float32 and visible[0, :5].tolist() == [2, 1, 0, 1, 2]
    assert (mmposes.get_data_info(0)['keypoints_visible'] == np.minimum(visible, 1)).all()


def test_other_keypoints_by_metainfo(tmp_path):
    write_coco(tmp_path, [person(points(12), num=14)])
    dataset = build(
        tmp_path,
        metainfo=dict(from_file='configs/_base_/datasets/crowdpose.py'),
        filter_cfg=RECIPE_FILTER,
    )
    assert dataset.metainfo['num_keypoints'] == 14
    assert dataset[0]['keypoints'].shape == (1, 14, 2)


def two_points(swap):
    """Metainfo of two keypoints; ``swap`` says whether they are left and right."""
    names = ('a', 'b')
    return dict(
        dataset_name='ab',
        keypoint_info={
            i: dict(name=name, swap=names[1 - i] if swap else '') for i, name in enumerate(names)
        },
        skeleton_info={},
        joint_weights=[1.0, 1.0],
        sigmas=[0.05, 0.05],
    )


@pytest.mark.parametrize('swap', [False, True])
def test_without_flip_pairs_nothing_is_mirrored_and_the_log_says_so(tmp_path, log, swap):
    init_default_scope('mmpose')
    write_coco(tmp_path, [person({0: (5, 6), 1: (40, 30)}, num=2)])
    load, flip = dict(type='LoadImage'), dict(type='RandomFlip', prob=1.0)
    resize, pack = dict(type='ShortSideResize', short_side=48), dict(type='PackPoseInputs')
    meta_keys = ('flip', 'flip_direction', 'flip_indices')
    views = dict(
        type='PoseTestTimeAug',
        transforms=[load, resize, dict(pack, meta_keys=meta_keys)],
        scales=(1, 0.5),
    )
    wrapped = dict(type='RandomApply', transforms=[flip], prob=1.0)
    plain, direct, inside, augmented = (
        build(tmp_path, metainfo=two_points(swap), pipeline=pipeline)[0]
        for pipeline in ([load], [load, flip], [load, wrapped], [views])
    )

    for mirrored in (direct, inside):
        image = np.fliplr(plain['img']) if swap else plain['img']
        np.testing.assert_array_equal(mirrored['img'], image)
        points = [[23, 30], [58, 6]] if swap else [[5, 6], [40, 30]]  # 63 - x, left is right
        assert mirrored['keypoints'][0].tolist() == points
    sizes = [
        (image.shape[1], bool(sample.flip))
        for image, sample in zip(augmented['inputs'], augmented['data_samples'], strict=True)
    ]
    assert sizes == (
        [(48, False), (48, True), (24, False), (24, True)] if swap else [(48, False), (24, False)]
    )
    said = log.text.count("the metainfo 'ab' has no flip pairs")
    assert said == (0 if swap else 3)


@pytest.mark.parametrize('test_mode', [False, True])
def test_number_of_keypoints_must_be_that_of_the_metainfo(tmp_path, test_mode):
    # MMPose would reshape 34 keypoints of one person to two people of 17.
    ann_file = write_coco(tmp_path, [person(points(9), 41), person(points(20), 42, num=34)])
    with pytest.raises(ValueError, match=r'metainfo=dict\(from_file') as error:
        build(tmp_path, test_mode=test_mode)
    assert 'annotation 42' in str(error.value) and str(ann_file) in str(error.value)
    assert 'has 34 keypoints' in str(error.value)


@pytest.mark.parametrize(
    ('settings', 'options'),
    [
        (dict(filter_cfg=dict(min_labelled_keypoints=10)), ''),
        (dict(filter_cfg=dict(min_labelled_keypoints=1)), ' --min-keypoints 1'),
        (
            dict(metainfo=dict(from_file='configs/_base_/datasets/crowdpose.py'), use_area=False),
            ' --metainfo configs/_base_/datasets/crowdpose.py --no-area --min-keypoints 0',
        ),
        (
            dict(metainfo=two_points(True), max_pixels=10),
            ' --metainfo FILE --min-keypoints 0 --max-pixels 10',
        ),
    ],
)
def test_the_command_that_an_error_names_checks_as_the_data_set_does(tmp_path, settings, options):
    """Without the options it would find an error in each annotation that has none."""
    ann_file = write_coco(tmp_path, [person({}, num=1)])
    with pytest.raises(ValueError, match='cannot be used') as error:
        build(tmp_path, **settings)
    command = f'tools/check_dataset.py {ann_file} {tmp_path}/train2017{options}'
    assert str(error.value).endswith(f'{command} lists all that it finds.')


def test_category_must_be_that_of_mmposes_results(tmp_path):
    write_coco(tmp_path, [person(points(12), 7, category_id=3)])
    with pytest.raises(ValueError, match=r'annotation 7 of image 1 .* category_id 3'):
        build(tmp_path)


def test_no_image_left_is_an_error(tmp_path):
    ann_file = write_coco(tmp_path, [person(points(3))])
    with pytest.raises(ValueError, match='too strict') as error:
        build(tmp_path, filter_cfg=RECIPE_FILTER)
    assert str(ann_file) in str(error.value)
    assert "'min_labelled_keypoints': 10" in str(error.value)


def test_file_without_people_is_an_error(tmp_path):
    annotation = person({})
    del annotation['keypoints']  # as in COCO's instances_*.json
    write_coco(tmp_path, [annotation])
    with pytest.raises(ValueError, match='person_keypoints_'):
        build(tmp_path)


@pytest.mark.parametrize(
    ('test_mode', 'loader'), [(False, 'train_dataloader'), (True, 'test_dataloader')]
)
def test_missing_paths_are_named_with_their_config_keys(tmp_path, test_mode, loader):
    with pytest.raises(FileNotFoundError, match=f'{loader}.dataset in the config') as error:
        build(tmp_path, test_mode=test_mode)
    path = tmp_path / 'annotations' / 'person_keypoints_train2017.json'
    assert str(path) in str(error.value) and 'ann_file' in str(error.value)

    write_coco(tmp_path, [person(points(12))], part='val2017')
    with pytest.raises(FileNotFoundError, match=f'{loader}.dataset in the config') as error:
        BottomupCocoDataset(
            data_root=str(tmp_path),
            ann_file='annotations/person_keypoints_val2017.json',
            data_prefix=dict(img='elsewhere'),
            test_mode=test_mode,
        )
    assert str(tmp_path / 'elsewhere') in str(error.value)
    assert "data_prefix['img']" in str(error.value)


def test_torn_annotation_file_is_named(tmp_path):
    ann_file = write_coco(tmp_path, [person(points(12))])
    ann_file.write_text(ann_file.read_text()[:-40])
    with pytest.raises(ValueError, match='is not a JSON file') as error:
        build(tmp_path)
    assert str(ann_file) in str(error.value)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(filter_cfg=dict(min_keypoints=10)), "unknown keys \\['min_keypoints'\\]"),
        (dict(data_mode='topdown'), "only has data_mode='bottomup'"),
    ],
)
def test_unknown_settings_are_refused(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(tmp_path, **kwargs)


def test_metric_finds_the_annotation_file_of_the_test_set(tmp_path):
    ann_file = write_coco(tmp_path, [person(points(12))])
    build(tmp_path, test_mode=True)
    assert MessageHub.get_current_instance().get_info('coco_ann_file') == str(ann_file)


@pytest.mark.parametrize(
    'config, size',
    [('coco_keypoints', 800), ('coco_keypoints_320', 320), ('synthetic_keypoints_128', 128)],
)
def test_config_reads_a_directory_laid_out_as_coco(tmp_path, config, size):
    for part in ('train2017', 'val2017'):
        write_coco(tmp_path, [person(points(12))], num_images=2, part=part)
    cfg = Config.fromfile(CONFIGS / f'{config}.py')
    for split, count in (('train', 1), ('val', 2), ('test', 2)):
        loader = cfg[f'{split}_dataloader']
        loader.dataset.data_root = str(tmp_path)
        dataset = DATASETS.build({**loader.dataset, '_scope_': 'mmpose'})
        assert len(dataset) == count
        packed = dataset[0]
        assert packed['inputs'].ndim == 3
        if split == 'train':
            assert packed['inputs'].shape == (3, size, size)
            labels = packed['data_samples'].gt_instance_labels
            assert labels.keypoints.shape == (1, 17, 2)
        else:
            assert max(packed['inputs'].shape[1:]) == packed['data_samples'].input_size[0]


@pytest.mark.parametrize('part', ['train', 'val'])
def test_filter_on_photographs_counts_as_the_raw_file_does(coco_mini, part):
    ann_file = coco_mini / 'annotations' / f'person_keypoints_{part}.json'
    coco = COCO(ann_file)
    expected = []
    for image_id in coco.getImgIds():
        anns = coco.loadAnns(coco.getAnnIds(image_id, iscrowd=False))
        has_box = any(ann['bbox'][2] > 1 and ann['bbox'][3] > 1 for ann in anns)
        if has_box and sum(ann['num_keypoints'] for ann in anns) >= 10:
            expected.append(image_id)
    assert 0 < len(expected) < len(coco.getImgIds())

    dataset = BottomupCocoDataset(
        ann_file=str(ann_file),
        data_prefix=dict(img=str(coco_mini / 'images')),
        filter_cfg=RECIPE_FILTER,
    )

    assert sorted(image_ids(dataset)) == sorted(expected)


def test_photographs_pass_the_recipe(coco_mini):
    """Boxes hold their keypoints on real images, whatever is drawn."""
    cfg = Config.fromfile(CONFIGS / 'coco_keypoints_320.py')
    cfg.train_dataloader.dataset.update(
        ann_file=str(coco_mini / 'annotations' / 'person_keypoints_val.json'),
        data_prefix=dict(img=str(coco_mini / 'images')),
        data_root='',
    )
    dataset = DATASETS.build({**cfg.train_dataloader.dataset, '_scope_': 'mmpose'})
    np.random.seed(0)
    for packed in dataset:
        labels = packed['data_samples'].gt_instance_labels.numpy()
        assert len(labels) > 0
        low, high = labels.bboxes[:, None, :2], labels.bboxes[:, None, 2:]
        inside = ((labels.keypoints >= low) & (labels.keypoints <= high)).all(axis=-1)
        assert inside[labels.keypoints_visible > 0].all()
