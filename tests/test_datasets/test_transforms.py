from fractions import Fraction
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.transforms import Compose
from mmcv.transforms.utils import cache_random_params
from mmengine import Config
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData
from mmpose.datasets.transforms import RandomFlip
from mmpose.models import BottomupPoseEstimator
from mmpose.registry import TRANSFORMS
from PIL import Image

from directpose.datasets import (
    BBoxFromKeypoints,
    CropAroundPerson,
    RandomShortSideResize,
    ShortSideResize,
)
from directpose.geometry import short_side_resize

FLIP_INDICES = [0, 2, 1]  # a nose and two eyes
CONFIG = Path(__file__).parents[2] / 'configs/_base_/datasets/coco_keypoints.py'


def make_people(keypoints, visible, image_size=(64, 48), **fields):
    """What the data set hands to the pipeline, for n people of K keypoints."""
    keypoints = np.array(keypoints, dtype=np.float32)
    n, num_keypoints = keypoints.shape[:2]
    w, h = image_size
    return dict(
        img=np.full((h, w, 3), 255, dtype=np.uint8),
        img_shape=(h, w),
        ori_shape=(h, w),
        img_id=1,
        img_path='a.jpg',
        bbox=np.tile(np.array([0, 0, w, h], dtype=np.float32), (n, 1)),
        bbox_score=np.ones(n, dtype=np.float32),
        category_id=np.ones(n, dtype=int),
        area=np.full(n, 100, dtype=np.float32),
        keypoints=keypoints,
        keypoints_visible=np.array(visible, dtype=np.float32).reshape(n, num_keypoints),
        iscrowd=[0] * n,
        flip_indices=FLIP_INDICES,
        **fields,
    )


def nobody(num_keypoints=3):
    return make_people(np.zeros((0, num_keypoints, 2)), np.zeros((0, num_keypoints)))


# The sizes of the resize


@pytest.mark.parametrize(
    ('size', 'short_side', 'cap', 'expected'),
    [
        ((640, 480), 800, 1333, (1066, 800)),  # 1066.67 is cut off
        ((480, 640), 800, 1333, (800, 1066)),
        ((640, 427), 800, 1333, (1199, 800)),
        ((100, 100), 800, 1333, (800, 800)),
        ((640, 240), 800, 1333, (1333, 500)),  # 499.875 is rounded
        ((500, 300), 800, 1333, (1333, 800)),  # 1333.33 exceeds the cap: 799.8 is rounded
        ((2, 1), 800, 1333, (1332, 666)),  # 666.5 is rounded to even
        ((480, 640), 480, 1333, (480, 640)),
        ((5000, 1), 320, 533, (533, 1)),  # one pixel stays, and the cap holds
    ],
)
def test_short_side_resize_by_hand(size, short_side, cap, expected):
    assert short_side_resize(size, short_side, cap) == expected


@given(
    w=st.integers(1, 6000),
    h=st.integers(1, 6000),
    short_side=st.integers(1, 1600),
    cap=st.integers(1, 3000),
)
def test_short_side_resize_in_exact_arithmetic(w, h, short_side, cap):
    short, long = min(w, h), max(w, h)
    if Fraction(long, short) * short_side > cap:
        short_side = max(round(Fraction(cap * short, long)), 1)
    long_side = Fraction(short_side * long, short) // 1
    if short_side == 1:
        long_side = min(long_side, cap)

    new_w, new_h = short_side_resize((w, h), short_side, cap)

    assert (min(new_w, new_h), max(new_w, new_h)) == (short_side, long_side)
    assert (new_w < new_h) == (w < h) or new_w == new_h


@pytest.mark.parametrize('length', [1334, 100_000, 10**9])
def test_a_thin_picture_keeps_to_the_cap(length):
    assert short_side_resize((1, length), 800, 1333) == (1, 1333)
    assert short_side_resize((length, 1), 800, 1333) == (1333, 1)
    assert max(short_side_resize((3, length), 800, 1333)) < 4 / 3 * 1333 + 1  # a side of 2


# The pixels of the resize


@pytest.mark.parametrize('size', [(64, 48), (33, 70)])
def test_resizes_give_the_pixels_of_pil(size):
    bgr = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    for transform in (
        ShortSideResize(short_side=20, max_long_side=40),
        RandomShortSideResize(short_side=(20, 20), max_long_side=40),
    ):
        results = transform(dict(img=bgr.copy(), img_shape=bgr.shape[:2]))
        new_w, new_h = short_side_resize(size, 20, 40)
        expected = Image.fromarray(bgr[..., ::-1]).resize((new_w, new_h), Image.BILINEAR)
        assert np.array_equal(results['img'][..., ::-1], np.array(expected))
        assert results['img_shape'] == (new_h, new_w)


def test_random_resize_moves_people_by_the_real_ratios():
    people = make_people([[[10, 20], [30, 40], [0, 0]]], [1, 1, 0], image_size=(64, 48))
    people['bbox'] = np.array([[9, 19, 31, 41]], dtype=np.float32)

    results = RandomShortSideResize(short_side=(31, 31), max_long_side=100)(people)

    x_ratio, y_ratio = 41 / 64, 31 / 48  # 41.33 is cut off
    assert results['img'].shape == (31, 41, 3)
    assert results['scale_factor'] == (x_ratio, y_ratio)
    np.testing.assert_allclose(
        results['keypoints'][0, :2],
        [[10 * x_ratio, 20 * y_ratio], [30 * x_ratio, 40 * y_ratio]],
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        results['bbox'], [[9 * x_ratio, 19 * y_ratio, 31 * x_ratio, 41 * y_ratio]], rtol=1e-6
    )
    np.testing.assert_allclose(results['area'], [100 * x_ratio * y_ratio], rtol=1e-6)
    assert results['keypoints'].dtype == results['bbox'].dtype == np.float32
    # MMPose's RandomFlip would take it for (height, width).
    assert 'input_size' not in results


def test_random_resize_draws_every_length_of_the_range():
    transform = RandomShortSideResize(short_side=(5, 9), max_long_side=100)
    np.random.seed(0)
    sides = {min(transform(nobody())['img_shape']) for _ in range(200)}
    assert sides == {5, 6, 7, 8, 9}


@pytest.mark.parametrize('short_side', [(9, 5), (0, 5), (-3, 4)])
def test_random_resize_refuses_an_impossible_range(short_side):
    with pytest.raises(ValueError, match='short_side'):
        RandomShortSideResize(short_side=short_side)


def test_test_resize_leaves_the_ground_truth_in_original_pixels():
    people = make_people([[[10, 20], [30, 40], [0, 0]]], [1, 1, 0])
    results = ShortSideResize(short_side=100, max_long_side=1333)(people)
    assert np.array_equal(results['keypoints'][0, :2], [[10, 20], [30, 40]])
    assert np.array_equal(results['bbox'], [[0, 0, 64, 48]])
    assert results['input_size'] == (133, 100)
    assert np.array_equal(results['input_scale'], (64, 48))
    assert np.array_equal(results['input_center'], (32, 24))


@settings(deadline=None)
@given(w=st.integers(8, 200), h=st.integers(8, 200), short_side=st.integers(8, 200))
def test_the_estimator_takes_poses_back_to_original_pixels(w, h, short_side):
    original = np.random.default_rng(w + h).uniform(-5, 205, (4, 3, 2)).astype(np.float32)
    results = make_people(original[:0], np.zeros((0, 3)), image_size=(w, h))
    results = ShortSideResize(short_side=short_side, max_long_side=2 * short_side)(results)
    results['id'] = []
    pack = TRANSFORMS.build(Config.fromfile(CONFIG).test_pipeline[-1])
    sample = pack(results)['data_samples']
    new_h, new_w = results['img'].shape[:2]
    ratios = np.array((new_w / w, new_h / h))
    poses = InstanceData(
        keypoints=original * ratios,
        keypoint_scores=np.ones((4, 3)),
        bboxes=original[:, :2].reshape(4, 4) * np.tile(ratios, 2),
    )

    BottomupPoseEstimator.add_pred_to_datasample(None, [poses], None, [sample])

    np.testing.assert_allclose(sample.pred_instances.keypoints, original, atol=1e-3)
    np.testing.assert_allclose(
        sample.pred_instances.bboxes, original[:, :2].reshape(4, 4), atol=1e-3
    )


# Boxes


def test_box_is_tight_around_labelled_keypoints_and_grown_by_a_pixel():
    people = make_people(
        [
            [[10, 20], [30, 40], [60, 1]],  # the third is not labelled
            [[0, 47], [5, 5], [63, 30]],  # clipped at all but the top
            [[7, 8], [0, 0], [0, 0]],  # one keypoint
            [[1, 1], [2, 2], [3, 3]],  # nothing labelled
            [[9, 9], [12, 12], [0, 0]],  # a crowd region
            [[70, 9], [80, 12], [0, 0]],  # outside the image
        ],
        [[1, 1, 0], [1, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 0], [1, 1, 0]],
    )
    people['iscrowd'][4] = 1
    people['area'] = np.arange(6, dtype=np.float32)

    results = BBoxFromKeypoints()(people)

    expected = [[9, 19, 31, 41], [0, 4, 63, 47], [6, 7, 8, 9]]
    np.testing.assert_array_equal(results['bbox'], expected)
    assert results['bbox'].dtype == np.float32
    np.testing.assert_array_equal(results['area'], [0, 1, 2])
    for key in ('bbox_score', 'category_id', 'keypoints', 'keypoints_visible', 'iscrowd'):
        assert len(results[key]) == 3, key
    # A second time changes nothing.
    np.testing.assert_array_equal(BBoxFromKeypoints()(results)['bbox'], expected)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_box_equals_a_loop_over_keypoints(seed):
    rng = np.random.default_rng(seed)
    n, (w, h) = rng.integers(0, 6), rng.integers(1, 80, 2)
    keypoints = rng.uniform(-5, 85, (n, 3, 2)).astype(np.float32)
    visible = rng.integers(0, 2, (n, 3))
    expected = []
    for person, labels in zip(keypoints, visible, strict=True):
        points = [point for point, label in zip(person, labels, strict=True) if label]
        if not points:
            continue
        x1 = min(max(min(x for x, _ in points) - 1, 0), w - 1)
        y1 = min(max(min(y for _, y in points) - 1, 0), h - 1)
        x2 = min(max(max(x for x, _ in points) + 1, 0), w - 1)
        y2 = min(max(max(y for _, y in points) + 1, 0), h - 1)
        if x2 > x1 and y2 > y1:
            expected.append([x1, y1, x2, y2])

    results = BBoxFromKeypoints()(make_people(keypoints, visible, image_size=(w, h)))

    np.testing.assert_allclose(
        results['bbox'], np.array(expected).reshape(-1, 4), rtol=1e-6, atol=1e-6
    )


# The crop


def test_crop_by_hand():
    people = make_people(
        [
            [[20, 10], [29, 17], [30, 10]],  # the third is a pixel outside
            [[50, 40], [55, 45], [60, 42]],  # wholly outside
        ],
        [[1, 1, 1], [1, 1, 1]],
    )
    people['img'] = np.random.default_rng(0).integers(1, 256, (48, 64, 3), dtype=np.uint8)
    image = people['img'].copy()
    people['bbox'] = np.array([[18.7, 9.2, 31, 18], [49, 39, 61, 46]], dtype=np.float32)
    crop = CropAroundPerson(crop_size=(12, 10))
    crop._draw_offset = lambda bbox: (18, 8)

    results = crop(people)

    assert np.array_equal(results['img'], image[8:18, 18:30])
    assert results['img_shape'] == (10, 12)
    assert results['crop_offset'] == (18, 8)
    np.testing.assert_allclose(results['bbox'], [[0.7, 1.2, 11, 9]], atol=1e-5)
    np.testing.assert_array_equal(results['keypoints'], [[[2, 2], [11, 9], [12, 2]]])
    np.testing.assert_array_equal(results['keypoints_visible'], [[1, 1, 0]])
    assert results['keypoints'].dtype == results['bbox'].dtype == np.float32
    assert results['keypoints_visible'].dtype == np.float32


def test_crop_fills_what_the_image_lacks_at_the_right_and_the_bottom():
    people = make_people([[[60, 45], [62, 46], [0, 0]]], [1, 1, 0])
    people['bbox'] = np.array([[59, 44, 63, 47]], dtype=np.float32)
    crop = CropAroundPerson(crop_size=(20, 10))
    crop._draw_offset = lambda bbox: (54, 42)

    image = crop(people)['img']

    assert image.shape == (10, 20, 3)
    assert (image[:6, :10] == 255).all()
    assert (image[6:] == 0).all() and (image[:, 10:] == 0).all()


def test_crop_keeps_the_label_of_a_keypoint_on_its_first_row_or_column():
    people = make_people([[[18, 10], [20, 8], [17.9, 10]]], [[1, 1, 1]])
    crop = CropAroundPerson(crop_size=(12, 10))
    crop._draw_offset = lambda bbox: (18, 8)
    results = crop(BBoxFromKeypoints()(people))
    np.testing.assert_array_equal(results['keypoints_visible'], [[1, 1, 0]])


def test_crop_draws_every_offset_from_the_corner_back_to_half_a_window():
    crop = CropAroundPerson(crop_size=(6, 4))
    boxes = np.array([[10.9, 1.5, 20, 20], [2, 30, 9, 40]], dtype=np.float32)
    np.random.seed(0)
    drawn = {crop._draw_offset(boxes) for _ in range(2000)}
    expected = {(x, y) for x in range(7, 11) for y in range(0, 2)}
    expected |= {(x, y) for x in range(0, 3) for y in range(28, 31)}
    assert drawn == expected


def test_crop_without_people_takes_the_top_left():
    results = CropAroundPerson(crop_size=(10, 8))(nobody())
    assert results['crop_offset'] == (0, 0)
    assert results['img'].shape == (8, 10, 3) and (results['img'] == 255).all()
    assert results['bbox'].shape == (0, 4)
    assert results['keypoints'].shape == (0, 3, 2)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_crop_keeps_the_chosen_person_and_boxes_hold_their_keypoints(seed):
    rng = np.random.default_rng(seed)
    people = make_people(rng.uniform(0, [63, 47], (4, 3, 2)), rng.integers(0, 2, (4, 3)))
    people = BBoxFromKeypoints()(people)
    before = len(people['bbox'])
    np.random.seed(seed)

    results = CropAroundPerson(crop_size=(24, 18))(people)

    bbox, keypoints = results['bbox'], results['keypoints']
    n = len(bbox)
    assert n >= 1 or before == 0
    assert results['img'].shape == (18, 24, 3)
    assert len(keypoints) == len(results['keypoints_visible']) == len(results['area']) == n
    assert (bbox >= 0).all() and (bbox <= [23, 17, 23, 17]).all()
    assert (bbox[:, 2:] > bbox[:, :2]).all()
    labelled = results['keypoints_visible'] > 0
    low, high = bbox[:, None, :2], bbox[:, None, 2:]
    assert ((keypoints >= low) & (keypoints <= high)).all(-1)[labelled].all()


# All steps together


def colours_of(n, num_keypoints):
    """A colour for each keypoint of each person, none like the white background."""
    hues = np.linspace(0, 179, n * num_keypoints, endpoint=False).astype(np.uint8)
    hsv = np.stack([hues, np.full_like(hues, 255), np.full_like(hues, 230)], axis=-1)
    return mmcv.hsv2bgr(hsv[None])[0].reshape(n, num_keypoints, 3)


def centre_of(image, colour):
    """Centre (x, y) of the pixels of about this colour; infinity if there are too few."""
    close = np.abs(image.astype(int) - colour.astype(int)).max(axis=-1) < 40
    if close.sum() < 12:
        return np.inf, np.inf
    y, x = np.nonzero(close)
    return x.mean(), y.mean()


def test_keypoints_stay_on_the_same_image_content():
    """Discs painted at keypoints are found at the keypoints after resize, crop and flip."""
    radius = 8
    # The window is not square: a flip about the wrong length would show.
    pipeline = Compose(
        [
            BBoxFromKeypoints(),
            RandomShortSideResize(short_side=(60, 180), max_long_side=230),
            CropAroundPerson(crop_size=(120, 100)),
            RandomFlip(prob=0.5),
        ]
    )
    colours = colours_of(2, 3)
    seen = dict.fromkeys([True, False], 0)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        w, h = rng.integers(90, 140, 2)
        # Centres on a grid, so that no disc hides another.
        grid = np.meshgrid(np.arange(12, w - 12, 22), np.arange(12, h - 12, 22))
        centres = rng.permutation(np.stack(grid, axis=-1).reshape(-1, 2))[:6].reshape(2, 3, 2)
        people = make_people(centres, np.ones((2, 3)), image_size=(w, h))
        ys, xs = np.mgrid[:h, :w]
        for (x, y), colour in zip(centres.reshape(-1, 2), colours.reshape(-1, 3), strict=True):
            people['img'][(xs - x) ** 2 + (ys - y) ** 2 <= radius**2] = colour
        np.random.seed(seed)

        results = pipeline(people)

        flip = FLIP_INDICES if results['flip'] else [0, 1, 2]
        scale = max(results['scale_factor'])
        margin = scale * radius + 1  # so far from the window's edge a disc is whole
        for keypoints, visible in zip(
            results['keypoints'], results['keypoints_visible'], strict=True
        ):
            inside = ((keypoints >= 0) & (keypoints <= [119, 99])).all(axis=-1)
            assert np.array_equal(inside, visible > 0)
            whole = ((keypoints >= margin) & (keypoints <= [119 - margin, 99 - margin])).all(-1)
            # The other may have been dropped: this is the one whose colours fit.
            errors = []
            for colour in colours[:, flip]:
                found = np.array([centre_of(results['img'], c) for c in colour])  # (K, 2)
                errors.append(np.abs(found - keypoints)[whole].max(initial=0))
            # Pixel centres are half a pixel off where the image's scale changes.
            assert min(errors) <= 0.5 + scale / 2
            seen[results['flip']] += whole.sum()
    assert min(seen.values()) > 30


def test_what_was_done_can_be_undone_from_the_metainfo():
    original = np.array([[[30, 20], [50, 44], [41, 30]]], dtype=np.float32)
    people = make_people(original, [1, 1, 1])
    cfg = Config.fromfile(CONFIG)
    pipeline = Compose([TRANSFORMS.build(step) for step in cfg.train_pipeline[1:]])
    for seed in range(8):
        np.random.seed(seed)
        sample = pipeline({**people, 'img': people['img'].copy()})['data_samples']
        keypoints = sample.gt_instance_labels.keypoints.numpy()
        if sample.flip:
            keypoints = keypoints[:, sample.flip_indices]
            keypoints[..., 0] = sample.img_shape[1] - 1 - keypoints[..., 0]
        back = (keypoints + sample.crop_offset) / sample.scale_factor
        np.testing.assert_allclose(back, original, atol=1e-3)


@pytest.mark.parametrize('people', [nobody(), make_people([[[5, 5], [9, 20], [0, 0]]], [1, 1, 0])])
def test_recipe_packs_tensors_for_any_number_of_people(people):
    cfg = Config.fromfile(CONFIG)
    pipeline = Compose([TRANSFORMS.build(step) for step in cfg.train_pipeline[1:]])
    n = len(people['bbox'])
    np.random.seed(0)

    packed = pipeline({**people, 'img': people['img'].copy()})
    batch = pseudo_collate([packed, packed])

    assert batch['inputs'][0].shape == (3, 800, 800)
    assert batch['inputs'][0].dtype == torch.uint8
    labels = batch['data_samples'][1].gt_instance_labels
    assert labels.bboxes.shape == (n, 4) and labels.bboxes.dtype == torch.float32
    assert labels.keypoints.shape == (n, 3, 2) and labels.keypoints.dtype == torch.float32
    assert labels.keypoints_visible.shape == (n, 3)
    assert labels.areas.shape == labels.labels.shape == (n,)
    assert (labels.labels == 0).all()


def test_random_draws_can_be_shared_between_images():
    """As in MMCV's TransformBroadcaster, for pipelines that treat several images alike."""
    people = make_people([[[30, 20], [50, 44], [41, 30]]], [1, 1, 1])
    for transform, key in (
        (RandomShortSideResize(short_side=(20, 400)), 'img_shape'),
        (CropAroundPerson(crop_size=(40, 40)), 'crop_offset'),
    ):
        people['bbox'] = np.array([[29, 19, 51, 45]], dtype=np.float32)
        with cache_random_params(transform):
            outcomes = {transform({**people, 'img': people['img'].copy()})[key] for _ in range(8)}
        assert len(outcomes) == 1


@pytest.mark.parametrize(
    ('build', 'name'),
    [
        (lambda: ShortSideResize(short_side=0), 'short_side of ShortSideResize'),
        (lambda: ShortSideResize(short_side=10.5), 'short_side of ShortSideResize'),
        (lambda: ShortSideResize(max_long_side=-1), 'max_long_side of ShortSideResize'),
        (lambda: RandomShortSideResize(short_side=(0, 5)), 'short_side of RandomShortSideResize'),
        (lambda: RandomShortSideResize(max_long_side=0), 'max_long_side of RandomShortSideResize'),
        (lambda: CropAroundPerson((0, 0)), 'width of CropAroundPerson'),
        (lambda: CropAroundPerson((64, 64.5)), 'height of CropAroundPerson'),
    ],
)
def test_a_length_that_is_none_is_refused_when_the_config_is_built(build, name):
    with pytest.raises(ValueError, match=f'{name} must be a whole number of pixels from 1'):
        build()


@given(seed=st.integers(0, 2**31), width=st.integers(8, 80), height=st.integers(8, 80))
def test_two_flips_are_none_and_a_test_resize_leads_back(seed, width, height):
    dice = np.random.default_rng(seed)
    places = dice.uniform(0, (width - 1, height - 1), (2, 4, 2)).astype(np.float32)
    people = make_people(places.tolist(), np.ones((2, 4)).tolist(), image_size=(width, height))
    people.update(
        flip_indices=[1, 0, 3, 2], img=dice.integers(0, 256, (height, width, 3), np.uint8)
    )
    image, points = people['img'].copy(), np.array(people['keypoints'])
    once = RandomFlip(prob=1.0)(people)
    assert not np.array_equal(once['keypoints'], points)
    twice = RandomFlip(prob=1.0)(once)
    assert np.array_equal(twice['img'], image)
    np.testing.assert_allclose(twice['keypoints'], points, atol=1e-4)

    resized = ShortSideResize(20, 60)(dict(img=image))
    moved = points * resized['scale_factor']  # input pixels
    size, scale = resized['input_size'], resized['input_scale']
    back = moved / size * scale + resized['input_center'] - scale / 2
    np.testing.assert_allclose(back, points, atol=1e-3)
