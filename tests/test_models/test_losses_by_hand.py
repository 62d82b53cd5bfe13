"""The value of each loss of the head, by loops over images, cells and keypoints.

Nothing of the package computes a location, a label or a target here.
"""

import math

import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

import directpose  # noqa: F401, registers the head

STRIDES = (8, 16, 32)
RANGES = ((-1, 24), (24, 48), (48, math.inf))
SIZES = ((8, 12), (4, 6), (2, 3))  # of an input of 64 x 96 pixels
K = 4
METAINFO = dict(
    dataset_name='bugs',
    paper_info=dict(),
    keypoint_info={
        k: dict(name=f'part{k}', id=k, color=[0, 0, 0], type='', swap='') for k in range(K)
    },
    skeleton_info=dict(),
    joint_weights=[1.0] * K,
    sigmas=[0.05] * K,
)
# All are found at the finest level but the third; the second image has a person without labels.
PEOPLE = [
    [
        ([3, 5, 37, 33], [(4, 6, 1), (36, 8, 1), (5, 32, 1), (20, 18, 0)]),
        ([30, 10, 62, 41], [(31, 11, 1), (0, 0, 0), (0, 0, 0), (61, 40, 1)]),
        ([10, 2, 90, 60], [(11, 3, 1), (0, 0, 0), (89, 59, 1), (50, 30, 1)]),
    ],
    [([50, 20, 84, 50], [(0, 0, 0)] * K), ([2, 2, 30, 32], [(3, 3, 1), (29, 4, 1)] * 2)],
    [],
]


def instances():
    """The people of the three images, in input pixels."""
    batch = []
    for persons in PEOPLE:
        boxes = torch.tensor([box for box, _ in persons], dtype=torch.float).reshape(-1, 4)
        keypoints = torch.tensor([k for _, k in persons], dtype=torch.float).reshape(-1, K, 3)
        batch.append(
            InstanceData(
                bboxes=boxes,
                labels=torch.zeros(len(boxes), dtype=torch.long),
                keypoints=keypoints[..., :2],
                keypoints_visible=keypoints[..., 2],
            )
        )
    return batch


def raw_maps():
    generator = torch.Generator().manual_seed(0)

    def maps(channels):
        return [torch.randn(len(PEOPLE), channels, *s, generator=generator) for s in SIZES]

    return maps(1), maps(2 * K), maps(1)


@pytest.fixture(scope='module')
def head():
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='DirectPoseHead',
            metainfo=METAINFO,
            strides=STRIDES,
            regress_ranges=RANGES,
            in_channels=32,
            feat_channels=32,
            group_channels=8,
            stacked_convs=1,
        )
    )


def cells():
    """Image, level, row and column of every cell, with its location in input pixels."""
    for image in range(len(PEOPLE)):
        for level, (height, width) in enumerate(SIZES):
            stride = STRIDES[level]
            for i in range(height):
                for j in range(width):
                    yield image, level, i, j, stride * j + stride // 2, stride * i + stride // 2


def person_at(image, level, x, y):
    """The person that a location learns: FCOS's rule with centre sampling, or None."""
    found = []
    for box, keypoints in PEOPLE[image]:
        x1, y1, x2, y2 = box
        sides = (x - x1, y - y1, x2 - x, y2 - y)
        near = (
            abs(x - (x1 + x2) / 2) < 1.5 * STRIDES[level]
            and abs(y - (y1 + y2) / 2) < 1.5 * STRIDES[level]
        )
        low, high = RANGES[level]
        if near and min(sides) > 0 and low <= max(sides) <= high:
            found.append(((x2 - x1 + 1) * (y2 - y1 + 1), sides, keypoints))
    return min(found, key=lambda person: person[0])[1:] if found else None


def positives():
    for image, level, i, j, x, y in cells():
        person = person_at(image, level, x, y)
        if person:
            (left, top, right, bottom), keypoints = person
            centerness = math.sqrt(
                min(left, right) / max(left, right) * min(top, bottom) / max(top, bottom)
            )
            yield image, level, i, j, x, y, keypoints, centerness


def focal(logit, positive, alpha=0.25, gamma=2):
    probability = 1 / (1 + math.exp(-logit))
    if positive:
        return -alpha * (1 - probability) ** gamma * math.log(probability)
    return -(1 - alpha) * probability**gamma * math.log(1 - probability)


def test_the_case_has_what_it_needs():
    found = list(positives())
    assert {(p[0], p[1]) for p in found} == {(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)}
    assert any(all(k[2] == 0 for k in p[6]) for p in found)  # a person without a label
    assert len(found) < sum(1 for _ in cells()) / 4


def test_classification_loss(head):
    cls_scores, keypoint_preds, centernesses = raw_maps()
    total, num_positives = 0.0, 0
    for image, level, i, j, x, y in cells():
        positive = person_at(image, level, x, y) is not None
        total += focal(cls_scores[level][image, 0, i, j].item(), positive)
        num_positives += positive
    losses = head.loss_by_feat(cls_scores, keypoint_preds, centernesses, instances())
    want = total / (num_positives + len(PEOPLE))
    assert losses['loss_cls'].item() == pytest.approx(want, rel=1e-5)


def test_centerness_loss(head):
    cls_scores, keypoint_preds, centernesses = raw_maps()
    terms = []
    for image, level, i, j, _, _, _, target in positives():
        probability = 1 / (1 + math.exp(-centernesses[level][image, 0, i, j].item()))
        terms.append(-target * math.log(probability) - (1 - target) * math.log(1 - probability))
    losses = head.loss_by_feat(cls_scores, keypoint_preds, centernesses, instances())
    assert losses['loss_centerness'].item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_keypoint_loss(head):
    cls_scores, keypoint_preds, centernesses = raw_maps()
    total, weights = 0.0, 0.0
    for image, level, i, j, x, y, keypoints, centerness in positives():
        pred = keypoint_preds[level][image, :, i, j].tolist()
        errors = []
        for k, (kx, ky, labelled) in enumerate(keypoints):
            if labelled:
                dx = abs(pred[2 * k] - (kx - x) / STRIDES[level])
                dy = abs(pred[2 * k + 1] - (ky - y) / STRIDES[level])
                errors.append((dx + dy) / 2)
        if errors:
            total += centerness * sum(errors) / len(errors)
            weights += centerness
    losses = head.loss_by_feat(cls_scores, keypoint_preds, centernesses, instances())
    assert weights > 1
    assert losses['loss_keypoint'].item() == pytest.approx(total / weights, rel=1e-5)


def test_heatmap_loss(head):
    generator = torch.Generator().manual_seed(1)
    # what the neck gives; every level would do for another size of the map
    feats = [torch.randn(len(PEOPLE), 32, *size, generator=generator) for size in SIZES]
    samples = []
    for people in instances():
        samples.append(PoseDataSample(metainfo=dict(img_shape=(64, 96))))
        samples[-1].gt_instance_labels = people
    with torch.no_grad():
        logits = head.heatmap_head(feats)
        loss = head.loss(feats, samples)['loss_heatmap']
    assert logits.shape == (len(PEOPLE), K, *SIZES[0])

    kinds = {}  # a later keypoint takes the cell from an earlier one
    for image, persons in enumerate(PEOPLE):
        for _, keypoints in persons:
            for k, (x, y, labelled) in enumerate(keypoints):
                if labelled:
                    kinds[image, min(y // 8, 7), min(x // 8, 11)] = k
    total = 0.0
    for image, level, i, j, _, _ in cells():
        if level == 0:
            for k in range(K):
                total += focal(logits[image, k, i, j].item(), kinds.get((image, i, j)) == k)
    assert loss.item() == pytest.approx(4 * total / len(kinds), rel=1e-5)


@pytest.mark.parametrize('name', ['loss_cls', 'loss_centerness', 'loss_keypoint'])
def test_losses_without_people(head, name):
    maps = raw_maps()
    nobody = [people[:0] for people in instances()]
    losses = head.loss_by_feat(*maps, nobody)
    want = 0.0
    if name == 'loss_cls':
        scores = torch.cat([m.flatten() for m in maps[0]]).tolist()
        want = sum(focal(score, False) for score in scores) / len(PEOPLE)
    assert losses[name].item() == pytest.approx(want, rel=1e-5)
