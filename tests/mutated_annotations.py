"""Annotation files with random damage, and the rule that checker and data set agree on them."""

import ast
import contextlib
import copy
import functools
import io
import json
import random
from pathlib import Path
from unittest import mock

import numpy as np
from mmengine.logging import MMLogger
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.datasets.transforms import LoadImage
from mmpose.evaluation import CocoMetric

from directpose.dataset_check import (
    EVALUATION_ONLY,
    DatasetError,
    check_annotations,
    load_annotations,
)
from directpose.datasets import (
    BBoxFromKeypoints,
    BottomupCocoDataset,
    CropAroundPerson,
    RandomShortSideResize,
)
from tests.coco_files import person, write_coco

RECIPE = [
    LoadImage(),
    BBoxFromKeypoints(),
    RandomShortSideResize((20, 60), 100),
    CropAroundPerson((48, 48)),
]
"""The recipe's steps, at the size of the pictures."""

LEFT_OUT = ('image-without-annotations', 'image-few-keypoints', 'image-small-boxes')

VALUES = [
    None, True, False, 0, 1, 2, -1, -0.5, 3, 17, 64, 1e7, 1e30, 1e300, 10**400, 2**62, 2**63,
    float('nan'), float('inf'), float('-inf'), '', '1', '17', 'x', '\ud800', '\0', '../x.jpg',
    'a\\b.jpg', [], {}, [None], [[]], [1, 2, 3], [1, 2, 3, 4], [[1, 2, 2]] * 17, ['1'] * 51,
    [0] * 51, [5, 5, 2] * 17, [5, 5, 3] * 17, [1e300, 5, 2] * 17, [float('nan'), 1, 0] * 17,
    [float('nan'), 1, 2] * 17, [-5, -5, 2] * 17, [None] * 51, [1] * 48, {'a': 1},
]  # fmt: skip
FIELDS = {
    'images': ['id', 'file_name', 'width', 'height', 'license', 'crowdIndex'],
    'annotations': [
        'id', 'image_id', 'category_id', 'iscrowd', 'bbox', 'area', 'num_keypoints', 'keypoints',
        'segmentation', 'score', 'attributes',
    ],
    'categories': ['id', 'name', 'keypoints', 'skeleton', 'supercategory'],
}  # fmt: skip


def sound_file(root: Path) -> Path:
    """A data set of three pictures and four people, one of them a crowd; the last is empty."""
    points = {k: (5 + 3 * k, 4 + 2 * k) for k in range(17)}
    people = [
        person(points, 1, 1),
        person({k: (60 - x, y) for k, (x, y) in points.items()}, 2, 1),
        person(points, 3, 2, segmentation=[[1, 1, 9, 1, 9, 9]]),
        person({}, 4, 2, iscrowd=1, segmentation=dict(counts=[9, 9], size=[48, 64])),
    ]
    return write_coco(root, people, num_images=3)


def mutate(coco: dict, dice: random.Random) -> bytes:
    """Damage a file in one to three places.

    Args:
        coco (dict): Its content, left as it is.
        dice (random.Random): Where the damage comes from.

    Returns:
        bytes: The damaged file.
    """
    coco = copy.deepcopy(coco)
    for _ in range(dice.randint(1, 3)):
        part = dice.choice(['annotations', 'annotations', 'images', 'categories'])
        entries = coco.get(part)
        kind = dice.random()
        if kind < 0.06 or not isinstance(entries, list) or not entries:
            coco[part] = dice.choice(VALUES)
        elif kind < 0.12:
            entries.append(copy.deepcopy(dice.choice(entries)))
        elif kind < 0.18:
            entries.pop(dice.randrange(len(entries)))
        elif kind < 0.22:
            entries[dice.randrange(len(entries))] = dice.choice(VALUES)
        else:
            entry = dice.choice(entries)
            if isinstance(entry, dict):
                _damage(entry, dice.choice(FIELDS[part]), dice)
    content = json.dumps(coco).encode()
    kind = dice.random()
    if kind < 0.02:
        return content[: dice.randrange(len(content))]
    if kind < 0.04:
        place = dice.randrange(len(content))
        return content[:place] + bytes([dice.randrange(256)]) + content[place + 1 :]
    if kind < 0.06:
        return b'\xef\xbb\xbf' + content
    if kind < 0.07:
        return json.dumps([coco]).encode()
    if kind < 0.08:
        return b'[' * 100_000
    return content


def _damage(entry: dict, field: str, dice: random.Random) -> None:
    value = entry.get(field)
    kind = dice.random()
    if kind < 0.15:
        entry.pop(field, None)
    elif kind < 0.5 and isinstance(value, list) and value:
        value[dice.randrange(len(value))] = dice.choice(VALUES)
    else:
        entry[field] = copy.deepcopy(dice.choice(VALUES))


@contextlib.contextmanager
def metainfo_read_once():
    """Reading COCO's metainfo takes longer than all the rest of a small data set."""
    path = 'directpose.metainfo.parse_pose_metainfo'
    with mock.patch(path, lambda info: copy.deepcopy(_parse(repr(info)))):
        yield


@functools.cache
def _parse(info: str) -> dict:
    return parse_pose_metainfo(ast.literal_eval(info))


def check_agreement(root: Path, ann_file: Path) -> str:
    """See that the checker, training and testing say the same of a file.

    Args:
        root (Path): The folder of :func:`sound_file`.
        ann_file (Path): The annotation file.

    Returns:
        str: ``'no file'``, ``'errors'``, ``'errors of the metric'`` or ``'sound'``.

    Raises:
        AssertionError: If they do not agree. Any other error is one too.
    """
    images = str(root / 'train2017')
    try:
        found = check_annotations(load_annotations(str(ann_file), images), min_keypoints=1)
    except ValueError as error:
        for test_mode in (False, True):
            said = use(ann_file, images, test_mode)
            assert said == str(error), (said, error)
        return 'no file'
    errors = {one for one in found if one.level == 'error'}
    nothing_to_train = any(one.kind == 'nothing-to-train' for one in errors)
    of_file = {one for one in errors if one.kind != 'nothing-to-train'}
    # Training does not draw the images that its filter leaves out.
    left_out = {one.where for one in found if one.kind in LEFT_OUT}
    of_training = {
        one
        for one in of_file
        if one.kind not in EVALUATION_ONLY
        and not (one.kind in ('image-size', 'image-unreadable') and one.where in left_out)
    }
    for test_mode, expected in ((False, of_training), (True, of_file)):
        said = use(ann_file, images, test_mode)
        if expected:
            assert said is not None, expected
            assert any(f'error: {one.kind}' in said for one in expected), (said, expected)
        elif not test_mode and nothing_to_train:
            assert 'none is left' in said
        elif test_mode and not json.loads(ann_file.read_text('utf-8-sig'))['images']:
            assert 'none is left' in said
        else:
            assert said is None, said
    return 'errors' if of_training else 'errors of the metric' if of_file else 'sound'


def use(ann_file: Path, images: str, test_mode: bool) -> str | None:
    """Read all of a data set as training or testing does; None, or the words of its error."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')
    try:
        dataset = BottomupCocoDataset(
            ann_file=str(ann_file),
            data_prefix=dict(img=images),
            pipeline=RECIPE[:1] if test_mode else RECIPE,
            test_mode=test_mode,
            filter_cfg=dict(min_labelled_keypoints=1, min_bbox_size=1),
        )
        np.random.seed(0)
        samples = list(dataset)
    except DatasetError as error:
        return str(error)
    finally:
        logger.setLevel(level)
    for sample in [] if test_mode else samples:
        assert sample['img'].shape == (48, 48, 3)
        for key in ('keypoints', 'bbox', 'area'):
            assert np.isfinite(sample[key]).all(), key
    if test_mode and samples:
        with contextlib.redirect_stdout(io.StringIO()):
            score(dataset, samples)
    return None


def score(dataset: BottomupCocoDataset, samples: list[dict], **settings) -> None:
    """Run the metric, with these settings, on a pose for each picture."""
    metric = CocoMetric(score_mode='bbox', nms_mode='none', **settings)
    metric.dataset_meta = dataset.metainfo
    pose = np.linspace(5, 40, 34).reshape(1, 17, 2)
    found = dict(keypoints=pose, keypoint_scores=np.ones((1, 17)), bbox_scores=np.ones(1))
    for sample in samples:
        metric.process(
            [],
            [dict(id=sample['id'], img_id=sample['img_id'], pred_instances=found, gt_instances={})],
        )
    metric.evaluate(len(samples))
