"""Drawn people: what is written is what is painted, and anatomy is right."""

import argparse
import contextlib
import io
import json
import os
import signal
from collections import Counter
from dataclasses import astuple
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from synthetic import write_dataset
from synthetic.backdrop import sample_thing
from synthetic.coco_files import Maker, mask_to_polygons, write_coco
from synthetic.command import run
from synthetic.figure import (
    KEYPOINT_NAMES,
    dress,
    sample_figure,
    sample_outfit,
)
from synthetic.pose import ANGLE_LIMITS, SIDES, Pose, sample_pose
from synthetic.render import Solid, paint
from synthetic.scene import MAX_PEOPLE, Item, compose, draw_picture
from synthetic.skeleton import place, sample_proportions
from synthetic.walk import draw_walk, walking_pose

from tests.load_tool import load_tool

tool = load_tool('tools/dataset_converters/make_synthetic_coco.py')

SPLITS = ('train2017', 'val2017')
LIGHT = np.array((0.0, 0.0, 1.0))
seeds = st.integers(0, 2**32 - 1)


def files_of(folder):
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob('*')
        if file.is_file()
    }


def load(folder, split):
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(folder / 'annotations' / f'person_keypoints_{split}.json'))


def triplets(annotation):
    return np.array(annotation['keypoints'], float).reshape(-1, 3)  # (K, 3)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    """Long enough for crowded pictures and crowd regions in both splits."""
    folder = tmp_path_factory.mktemp('people')
    counts = write_dataset(folder, num_train=14, num_val=6, size=192, seed=3)
    return folder, counts


@pytest.fixture(params=SPLITS)
def coco(dataset, request):
    coco = load(dataset[0], request.param)
    coco.split = request.param
    return coco


# --- what is written


def test_the_same_arguments_give_the_same_bytes(tmp_path):
    for name, seed in (('a', 5), ('b', 5), ('c', 6)):
        write_dataset(tmp_path / name, 3, 2, 96, seed)
    first, again, other = (files_of(tmp_path / name) for name in 'abc')
    assert first == again
    assert first.keys() == other.keys()
    for name in first:
        assert first[name] != other[name], name


def test_a_picture_does_not_depend_on_how_many_there_are(tmp_path):
    write_dataset(tmp_path / 'few', 2, 1, 96, 0)
    write_dataset(tmp_path / 'many', 4, 3, 96, 0)
    few, many = files_of(tmp_path / 'few'), files_of(tmp_path / 'many')
    pictures = [name for name in few if name.endswith('.jpg')]
    assert len(pictures) == 3
    for name in pictures:
        assert few[name] == many[name]
    for split in SPLITS:
        few, many = load(tmp_path / 'few', split), load(tmp_path / 'many', split)
        for image_id, image in few.imgs.items():
            assert many.imgs[image_id] == image
            assert many.imgToAnns[image_id] == few.imgToAnns[image_id]


def test_splits_differ(dataset):
    train, val = (load(dataset[0], split) for split in SPLITS)
    assert not train.imgs.keys() & val.imgs.keys()
    assert not train.anns.keys() & val.anns.keys()
    pictures = [data for name, data in files_of(dataset[0]).items() if name.endswith('.jpg')]
    assert len(pictures) == len(set(pictures)) == len(train.imgs) + len(val.imgs)


def test_category_is_that_of_coco(coco):
    (category,) = coco.dataset['categories']
    metainfo = parse_pose_metainfo(dict(from_file='configs/_base_/datasets/coco.py'))
    names = [metainfo['keypoint_id2name'][k] for k in range(metainfo['num_keypoints'])]
    assert (category['id'], category['name']) == (1, 'person')
    assert category['keypoints'] == names
    links = (np.array(category['skeleton']) - 1).tolist()
    assert links == [list(link) for link in metainfo['skeleton_links']]


def test_category_is_that_of_the_real_annotations(dataset, coco_mini):
    real = next((coco_mini / 'annotations').glob('*.json'))
    assert (
        load(dataset[0], 'val2017').dataset['categories']
        == (json.loads(real.read_text())['categories'])
    )


def test_images_are_described_truly(dataset, coco):
    folder = dataset[0] / coco.split
    assert len(list(folder.iterdir())) == len(coco.imgs) == len(coco.dataset['images'])
    licenses = {entry['id'] for entry in coco.dataset['licenses']}
    assert coco.dataset['info']['description']
    for image in coco.imgs.values():
        height, width = cv2.imread(str(folder / image['file_name'])).shape[:2]
        assert (image['width'], image['height']) == (width, height)
        assert max(width, height) == 192 and min(width, height) >= 0.6 * 192 - 1
        assert image['license'] in licenses


def test_areas_and_boxes_are_those_of_the_segmentation(coco):
    assert len(coco.anns) == len(coco.dataset['annotations'])
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        rows, columns = np.nonzero(mask)
        assert annotation['area'] == mask.sum()
        x, y = columns.min(), rows.min()
        assert annotation['bbox'] == [x, y, columns.max() + 1 - x, rows.max() + 1 - y]
        assert annotation['category_id'] == 1 and annotation['image_id'] in coco.imgs
        if not annotation['iscrowd']:
            assert all(len(polygon) >= 6 for polygon in annotation['segmentation'])


def test_people_do_not_share_pixels(coco):
    for annotations in coco.imgToAnns.values():
        assert np.sum([coco.annToMask(a) for a in annotations], axis=0).max() == 1


def test_keypoints_are_labelled_as_in_coco(coco):
    for annotation in coco.anns.values():
        points = triplets(annotation)
        assert len(points) == len(coco.dataset['categories'][0]['keypoints'])
        visible = points[:, 2]
        assert set(visible) <= {0, 1, 2}
        assert annotation['num_keypoints'] == np.count_nonzero(visible)
        assert not points[visible == 0].any()
        image = coco.imgs[annotation['image_id']]
        inside = points[visible > 0, :2]
        assert np.all(inside >= 0)
        assert np.all(inside <= (image['width'] - 1, image['height'] - 1))
        assert (annotation['num_keypoints'] == 0) == bool(annotation['iscrowd'])


def test_a_visible_keypoint_is_not_on_somebody_else(coco):
    checked = 0
    for annotations in coco.imgToAnns.values():
        # Away from the outlines, where a pixel is of several people.
        cores = [cv2.erode(coco.annToMask(a), np.ones((3, 3), np.uint8)) for a in annotations]
        for annotation in annotations:
            points = triplets(annotation)
            x, y = np.round(points[points[:, 2] == 2, :2]).astype(int).T
            for other, core in zip(annotations, cores):
                if other is not annotation:
                    assert not core[y, x].any()
                    checked += len(x)
    assert checked > 100


def test_pictures_hold_few_and_many_people_and_crowds(dataset, coco):
    people = [sum(not a['iscrowd'] for a in anns) for anns in coco.imgToAnns.values()]
    assert 1 <= min(people) <= 2
    assert 6 <= max(people) <= MAX_PEOPLE
    assert np.median(people) <= 4
    crowds = [a for a in coco.anns.values() if a['iscrowd']]
    assert crowds and all(isinstance(a['segmentation'], dict) for a in crowds)
    assert dataset[1][coco.split] == dict(
        images=len(coco.imgs), people=sum(people), crowds=len(crowds)
    )


def test_ground_truth_as_prediction_scores_one(coco):
    predictions = [
        dict(
            image_id=a['image_id'],
            category_id=1,
            # The metric takes the coordinates only.
            keypoints=np.column_stack((triplets(a)[:, :2], np.ones(len(triplets(a)))))
            .ravel()
            .tolist(),
            score=1.0,
        )
        for a in coco.anns.values()
        if not a['iscrowd']
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(coco, coco.loadRes(predictions), 'keypoints')
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)


def test_few_people(tmp_path):
    write_dataset(tmp_path, num_train=14, num_val=2, size=96, seed=0, max_people=2)
    file = tmp_path / 'annotations/person_keypoints_train2017.json'
    annotations = json.loads(file.read_text())['annotations']
    per_picture = Counter(annotation['image_id'] for annotation in annotations)
    assert set(per_picture.values()) == {1, 2}
    assert not any(annotation['iscrowd'] for annotation in annotations)


@settings(max_examples=5, deadline=None)
@given(seeds, st.integers(1, MAX_PEOPLE), st.booleans())
def test_never_more_people_than_coco_scores(seed, num_people, crowd_region):
    picture = draw_picture(np.random.default_rng(seed), 96, num_people, crowd_region)
    assert 1 <= len(picture.people) <= MAX_PEOPLE
    assert len({person.in_crowd for person in picture.people}) == 1 + crowd_region


@settings(deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_polygons_rasterise_to_their_mask(mask):
    """With several pieces, holes, and pieces in holes."""
    polygons = mask_to_polygons(mask)
    assert bool(polygons) == bool(mask.any())
    if polygons:
        rle = mask_utils.merge(mask_utils.frPyObjects(polygons, *mask.shape))
        np.testing.assert_array_equal(mask_utils.decode(rle), mask)


# --- what is refused


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(num_train=0), 'num_train must be a whole number of at least 1, but is 0'),
        (dict(num_val=-1), 'num_val .* at least 1, but is -1'),
        (dict(num_val=1.5), 'num_val .* but is 1.5'),
        (dict(max_people=0), 'max_people .* at least 1, but is 0'),
        (dict(max_people=21), 'max_people must be at most 20, but is 21'),
        (dict(size=63), 'size .* at least 64, but is 63'),
        (dict(seed=-1), 'seed .* at least 0, but is -1'),
        (dict(seed=True), 'seed .* but is True'),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_made(tmp_path, change, message):
    arguments = dict(num_train=1, num_val=1, size=96, seed=0) | change
    with pytest.raises(ValueError, match=message):
        write_dataset(tmp_path / 'out', **arguments)
    assert not (tmp_path / 'out').exists()


def test_the_same_settings_mend_what_was_interrupted(tmp_path):
    out = tmp_path / 'out'
    write_dataset(out, 1, 1, 96, 0)
    whole = files_of(out)

    def interrupt(done, total):
        assert (done, total) == (1, 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(out, 1, 1, 96, 0, progress=interrupt)
    assert not list((out / 'annotations').iterdir()), 'half a data set must not look whole'
    next((out / 'val2017').iterdir()).unlink()
    write_dataset(out, 1, 1, 96, 0)
    assert files_of(out) == whole


def test_other_settings_and_other_files_are_refused_and_kept(tmp_path):
    made, foreign, file = tmp_path / 'made', tmp_path / 'foreign', tmp_path / 'file'
    write_dataset(made, 1, 1, 96, 0)
    foreign.mkdir()
    (foreign / 'notes.txt').write_text('mine')
    file.write_text('mine')
    before = files_of(tmp_path)
    for out, message in (
        (made, 'drawn people of other settings .*"seed":0.*"seed":1'),
        (foreign, 'not empty and was not made by this program'),
        (file, 'is a file'),
    ):
        with pytest.raises(FileExistsError, match=message):
            write_dataset(out, 1, 1, 96, 1)
    assert files_of(tmp_path) == before


def test_the_tool_writes_what_the_function_writes(tmp_path, capsys):
    options = ['--train', '2', '--val', '1', '--size', '96', '--seed', '7']
    tool.main([str(tmp_path / 'tool'), *options])
    assert 'train2017: 2 images' in capsys.readouterr().out
    write_dataset(tmp_path / 'function', 2, 1, 96, 7)
    assert files_of(tmp_path / 'tool') == files_of(tmp_path / 'function')


@pytest.mark.parametrize(
    'options, message',
    [
        (['--train', '0'], '--train: give a whole number from 1, '),
        (['--size', '20'], '--size: give a whole number from 64, '),
        (['--seed', 'x'], '--seed: give a whole number from 0, '),
        (['--max-people', '21'], '--max-people: give a whole number from 1 to 20, '),
    ],
)
def test_the_tool_refuses_bad_arguments(tmp_path, capsys, options, message):
    with pytest.raises(SystemExit) as exit_info:
        tool.main([str(tmp_path / 'out'), *options])
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


# --- anatomy


def upright(yaw, seed=0, **changes):
    """A standing figure with arms and legs a little apart."""
    angles = {}
    for name in ANGLE_LIMITS:
        limb = name.split('_')[0] in ('shoulder', 'elbow', 'hip', 'knee', 'ankle')
        for side in ('left_', 'right_') if limb else ('',):
            angles[side + name] = dict(shoulder_abduction=25, hip_abduction=8).get(name, 0)
    angles.update(changes)
    rng = np.random.default_rng(seed)
    return dress(sample_proportions(rng), Pose(angles, yaw, 0.0, 0.0, 'stand'), sample_outfit(rng))


def see(*items, size=(200, 240)):
    """Compose over a plain backdrop of (width, height)."""
    return compose(list(items), np.full((size[1], size[0], 3), 128, np.uint8), LIGHT)


def alone(figure, origin=(100, 120), scale=200, **kwargs):
    return Item(figure.solids, origin, scale, figure, **kwargs)


def visibility(figure):
    (person,) = see(alone(figure)).people
    return dict(zip(KEYPOINT_NAMES, person.keypoints[:, 2]))


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize(
    'yaw, sign, hidden', [(0, 1, ()), (180, -1, ('nose', 'left_eye', 'right_eye'))]
)
def test_front_and_back_views(yaw, sign, hidden, seed):
    figure = upright(yaw, seed)
    x = dict(zip(KEYPOINT_NAMES, figure.keypoints[:, 0]))
    seen = visibility(figure)
    for name in KEYPOINT_NAMES:
        if name.startswith('left_'):
            # The person's own left is on the right of the picture from the front.
            assert np.sign(x[name] - x[name.replace('left', 'right')]) == sign, name
        if not name.endswith('_ear'):  # hair may hide these
            assert seen[name] == (1 if name in hidden else 2), name


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('yaw, near, far', [(90, 'right', 'left'), (-90, 'left', 'right')])
def test_side_views(yaw, near, far, seed):
    # Arms forward, so that they do not cover the hips.
    figure = upright(yaw, seed, left_shoulder_flexion=60, right_shoulder_flexion=60)
    x = dict(zip(KEYPOINT_NAMES, figure.keypoints[:, 0]))
    seen = visibility(figure)
    assert np.sign(x['nose'] - x[f'{near}_ear']) == np.sign(yaw)
    assert seen['nose'] == 2
    for joint in ('eye', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle'):
        assert seen[f'{near}_{joint}'] == 2, joint
    for joint in ('eye', 'ear', 'shoulder', 'hip'):
        assert seen[f'{far}_{joint}'] == 1, joint


@pytest.mark.parametrize('yaw, hip', [(0, 1), (180, 2)])
def test_a_raised_thigh_hides_the_hip_behind_it(yaw, hip):
    seen = visibility(upright(yaw, left_hip_flexion=90, left_hip_abduction=0, left_knee_flexion=90))
    assert seen['left_hip'] == hip
    assert seen['left_knee'] == 3 - hip
    assert seen['right_hip'] == seen['right_knee'] == 2


def depth_by_balls(solids, x, y):
    """Near surface of all solids along a line of sight, by a slow walk along each axis."""
    nearest = -np.inf
    for solid in solids:
        t = np.linspace(0, 1, 200)[:, None]
        centres = solid.start + t * (solid.end - solid.start)  # (T, 3)
        radii = solid.radii[0] + t[:, 0] * (solid.radii[1] - solid.radii[0])
        height2 = radii**2 - (centres[:, 0] - x) ** 2 - (centres[:, 1] - y) ** 2
        if np.any(height2 > 0):
            hit = height2 > 0
            nearest = max(nearest, np.max(centres[hit, 2] + np.sqrt(height2[hit])))
    return nearest


@settings(max_examples=6, deadline=None)
@given(seeds)
def test_a_keypoint_is_hidden_by_the_own_body_where_something_lies_before_it(seed):
    figure = sample_figure(np.random.default_rng(seed))
    scale = 250
    picture = see(alone(figure, (300, 300), scale), size=(600, 600))
    for at, radius, (x, y, v) in zip(figure.keypoints, figure.radii, picture.people[0].keypoints):
        # Lines of sight through the written position and, as pictures are painted in
        # samples, a little beside it.
        before = [
            depth_by_balls(figure.solids, (x + dx - 300) / scale, (300 - y - dy) / scale) - at[2]
            for dx, dy in ((0, 0), (0.3, 0), (-0.3, 0), (0, 0.3), (0, -0.3))
        ]
        assert v in (1, 2)
        if v == 2:
            assert min(before) < 2 * radius
        else:
            assert max(before) > 0.5 * radius


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_a_mirrored_pose_has_mirrored_keypoints(seed):
    rng = np.random.default_rng(seed)
    body, pose = sample_proportions(rng), sample_pose(rng)
    angles = {}
    for name, value in pose.angles.items():
        if name.startswith('left_'):
            name = name.replace('left', 'right')
        elif name.startswith('right_'):
            name = name.replace('right', 'left')
        elif name in ('waist_side', 'waist_twist', 'head_yaw', 'head_roll'):
            value = -value
        angles[name] = value
    mirrored = Pose(angles, -pose.yaw, pose.pitch, -pose.roll, pose.activity)
    outfit = sample_outfit(rng)
    one, other = dress(body, pose, outfit).keypoints, dress(body, mirrored, outfit).keypoints
    swap = [
        KEYPOINT_NAMES.index(
            name.replace('left', 'right') if 'left' in name else name.replace('right', 'left')
        )
        for name in KEYPOINT_NAMES
    ]
    np.testing.assert_allclose(other[swap] * (-1, 1, 1), one, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_poses_keep_to_the_limits_and_bones_to_their_length(seed):
    rng = np.random.default_rng(seed)
    body, pose = sample_proportions(rng), sample_pose(rng)
    assert all(length > 0 for length in astuple(body))
    for name, value in pose.angles.items():
        low, high = ANGLE_LIMITS[name.removeprefix('left_').removeprefix('right_')]
        assert low <= value <= high, name
    points = place(body, pose).points
    for side in SIDES:
        for bone, start, end in (
            ('upper_arm', 'shoulder', 'elbow'),
            ('forearm', 'elbow', 'wrist'),
            ('thigh', 'hip', 'knee'),
            ('shin', 'knee', 'ankle'),
        ):
            length = np.linalg.norm(points[f'{side}_{start}'] - points[f'{side}_{end}'])
            assert length == pytest.approx(getattr(body, bone))


# --- who is seen


def test_somebody_in_front_covers_keypoints():
    near = alone(upright(0, 1), origin=(85, 120))
    far = alone(upright(20, 2), origin=(115, 118))
    front, back = see(near, far).people
    (back_alone,) = see(far).people
    covered = np.zeros(len(KEYPOINT_NAMES), bool)
    clear = 0
    for k, (x, y, v) in enumerate(back.keypoints):
        around = front.mask[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]
        if around.all():
            covered[k] = True
            assert v == 1, KEYPOINT_NAMES[k]
        elif not around.any():
            clear += 1
            assert v == back_alone.keypoints[k, 2], KEYPOINT_NAMES[k]
    assert covered.sum() >= 4 and clear >= 4
    assert np.any(back_alone.keypoints[covered, 2] == 2)
    np.testing.assert_array_equal(back.keypoints[:, :2], back_alone.keypoints[:, :2])
    # Who is in front loses nothing, who is behind loses what is covered.
    np.testing.assert_array_equal(front.mask, see(near).people[0].mask)
    np.testing.assert_array_equal(back.mask, back_alone.mask & ~front.mask)


def test_a_thing_in_front_covers_as_well():
    wall = Item(
        [Solid(np.array((-1.0, 0, 0)), np.array((1.0, 0, 0)), (0.2, 0.2), 1, (0, 0, 255))],
        (100, 200),
        200,
    )
    (person,) = see(wall, alone(upright(0))).people
    rows = person.keypoints[:, 1]
    assert np.all(person.keypoints[rows > 165, 2] == 1) and np.any(rows > 165)
    assert np.any(person.keypoints[rows < 155, 2] == 2)
    assert not person.mask[165:].any()


def test_who_is_hidden_is_left_out():
    near, far = alone(upright(0), scale=200), alone(upright(0), scale=100)
    assert len(see(near).people) == len(see(far).people) == 1
    picture = see(near, far)
    assert len(picture.people) == 1
    np.testing.assert_array_equal(picture.image, see(near).image)


def test_who_is_elsewhere_is_left_out():
    picture = see(alone(upright(0), origin=(-500, 120)))
    assert picture.people == []
    assert np.all(picture.image == 128)


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(-40, 240), st.integers(-40, 280), st.integers(60, 400))
def test_a_keypoint_is_unlabelled_exactly_outside_of_the_picture(seed, x, y, scale):
    width, height = 200, 240
    figure = sample_figure(np.random.default_rng(seed))
    for person in see(alone(figure, (x, y), scale), size=(width, height)).people:
        for (dx, dy, _), (px, py, v) in zip(figure.keypoints, person.keypoints):
            at = np.array((x + scale * dx, y - scale * dy))
            if v == 0:
                assert (px, py) == (0, 0)
                beyond = max(-at[0], at[0] - (width - 1), -at[1], at[1] - (height - 1))
                assert beyond > -0.01
            else:
                # Written with two decimals.
                np.testing.assert_allclose((px, py), at, atol=0.0051)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_things_stand_on_the_ground_and_are_nobody(seed):
    solids = sample_thing(np.random.default_rng(seed))
    assert all(solid.part == 1 and min(solid.radii) > 0 for solid in solids)
    assert see(Item(solids, (100, 200), 100)).people == []


# --- painting


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.floats(-15, 15)] * 6),
    st.floats(2, 9),
    st.floats(2, 9),
)
def test_paint_is_the_upper_side_of_all_balls_along_the_axis(ends, r0, r1):
    """The closed form against a slow walk along the axis, ball by ball."""
    start, end = np.array(ends[:3]), np.array(ends[3:])
    # an axis that is almost, but not quite, the line of sight: rounding decides at the rim
    assume(not 0 < np.hypot(*(end - start)[:2]) < 0.1)
    layer = paint([Solid(start, end, (r0, r1), 3, (255, 255, 255))], (40, 40), 1, (80, 80), LIGHT)
    x, y = np.meshgrid(np.arange(80) - 40.0, 40.0 - np.arange(80))
    expected = np.full((80, 80), -np.inf)
    for t in np.linspace(0, 1, 400):
        cx, cy, cz = start + t * (end - start)
        height2 = (r0 + t * (r1 - r0)) ** 2 - (x - cx) ** 2 - (y - cy) ** 2
        expected = np.maximum(
            expected, np.where(height2 > 0, cz + np.sqrt(np.maximum(height2, 0)), -np.inf)
        )
    depth = np.full((80, 80), -np.inf)
    depth[layer.window] = layer.depth
    core = cv2.erode(np.isfinite(expected).astype(np.uint8), np.ones((3, 3))) > 0
    halo = cv2.dilate(np.isfinite(expected).astype(np.uint8), np.ones((3, 3))) > 0
    assert np.isfinite(depth[core]).all() and not np.isfinite(depth[~halo]).any()
    np.testing.assert_allclose(depth[core], expected[core], atol=0.05)
    assert np.all(layer.part[np.isfinite(layer.depth)] == 3)


def test_the_nearer_solid_is_painted_whatever_the_order():
    near = Solid(np.array((0.0, 0, 5)), np.array((0.0, 0, 5)), (4, 4), 1, (250, 0, 0))
    far = Solid(np.array((2.0, 0, 0)), np.array((2.0, 0, 0)), (8, 8), 2, (0, 250, 0))
    one = paint([near, far], (20, 20), 1, (40, 40), LIGHT)
    other = paint([far, near], (20, 20), 1, (40, 40), LIGHT)
    np.testing.assert_array_equal(one.part, other.part)
    np.testing.assert_array_equal(one.image, other.image)
    assert one.part[20 - one.top, 20 - one.left] == 1
    assert one.part[20 - one.top, 26 - one.left] == 2


def test_number_of_processes_changes_no_byte(tmp_path: Path) -> None:
    settings = dict(num_train=3, num_val=2, size=64, seed=4, max_people=2)
    alone, together = tmp_path / 'alone', tmp_path / 'together'
    write_dataset(alone, **settings)
    write_dataset(together, **settings, workers=2)
    files = sorted(p.relative_to(alone) for p in alone.rglob('*') if p.is_file())
    assert files == sorted(p.relative_to(together) for p in together.rglob('*') if p.is_file())
    assert len(files) == 8
    for file in files:
        assert (alone / file).read_bytes() == (together / file).read_bytes(), file


def die(split: int, index: int) -> None:
    """Draw as a process does that is killed for want of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_is_told(tmp_path: Path, capsys) -> None:
    maker = Maker('program.py', 'nobody', 'settings.json', 'none')
    settings = dict(version=1, num_train=3, num_val=1, size=64, seed=0)
    write = partial(write_coco, tmp_path / 'out', maker, settings, die, workers=2)
    with pytest.raises(SystemExit):
        run(write, argparse.ArgumentParser(), 'out')
    assert 'one of the processes was killed' in capsys.readouterr().err


@pytest.mark.parametrize('phase', np.linspace(0, 2 * np.pi, 7))
def test_walkers_move_as_people_can(phase):
    """Within the limits of their joints, and each arm with the other side's leg."""
    angles = walking_pose(phase, yaw=60).angles
    for name, angle in angles.items():
        low, high = ANGLE_LIMITS[name.split('_', 1)[1] if name.split('_')[0] in SIDES else name]
        assert low <= angle <= high, name
    apart = [
        angles[f'left_{joint}_flexion'] - angles[f'right_{joint}_flexion']
        for joint in ('hip', 'shoulder')
    ]
    assert apart[0] * apart[1] <= 0
    assert set(angles) == set(sample_pose(np.random.default_rng(0)).angles)


def test_walkers_go_where_they_look():
    """The first to the right, the second to the left, on feet that stay on the ground."""
    names = dict(zip(KEYPOINT_NAMES, range(17)))
    clip = list(draw_walk(np.random.default_rng(3), (240, 180), 8, fps=4, num_people=2))
    assert all(picture.image.shape == (180, 240, 3) for picture in clip)
    assert {tuple(person.identity for person in picture.people) for picture in clip} == {(0, 1)}
    for person, direction in enumerate((1, -1)):
        poses = np.array([picture.people[person].keypoints for picture in clip])  # (T, K, 3)
        hips = poses[:, [names['left_hip'], names['right_hip']], 0].mean(axis=1)
        assert (direction * np.diff(hips) > 5).all()
        assert (direction * (poses[:, names['nose'], 0] - hips) > 0).all()
        feet = [picture.people[person].mask.any(axis=1).nonzero()[0].max() for picture in clip]
        assert np.ptp(feet) <= 2
    again = next(draw_walk(np.random.default_rng(3), (240, 180), 8, fps=4, num_people=2))
    assert (again.image == clip[0].image).all()


def test_walkers_keep_their_identities_while_one_hides_another():
    """Nobody's steps change where fewer people can be seen."""
    places, numbers = {}, set()
    clip = draw_walk(np.random.default_rng(3), (240, 180), 20, fps=5, num_people=3)
    for frame, picture in enumerate(clip):
        numbers.add(len(picture.people))
        for person in picture.people:
            places.setdefault(person.identity, []).append((frame, *person.keypoints[0, :2]))
    assert numbers == {2, 3}
    for identity, direction in enumerate((1, -1, 1)):
        frames, x, _ = np.array(places[identity]).T
        steps = direction * np.diff(x) / np.diff(frames)
        assert steps.min() > 5 and np.ptp(steps) < 0.1
