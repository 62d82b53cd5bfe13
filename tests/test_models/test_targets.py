"""Targets against loops over every location, person and keypoint."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.structures import InstanceData

from directpose.models.decode import PoseDecoder
from directpose.models.targets import (
    assign_persons,
    centerness,
    heatmap_labels,
    make_locations,
    positive_targets,
)

STRIDES = (8, 16, 32)
RANGES = ((-1, 24), (24, 48), (48, math.inf))
SIZES = ((8, 12), (4, 6), (2, 3))


def grid(size, stride):
    return torch.tensor(
        [
            [stride * j + stride // 2, stride * i + stride // 2]
            for i in range(size[0])
            for j in range(size[1])
        ],
        dtype=torch.float,
    )


def locations():
    return make_locations(SIZES, STRIDES, RANGES, 'cpu')


def test_locations_are_at_the_middle_of_their_cells():
    where = locations()
    for device in ('cpu', torch.device('cpu')):
        again = make_locations(SIZES, STRIDES, RANGES, device)
        assert torch.equal(again.points, torch.cat([grid(s, k) for s, k in zip(SIZES, STRIDES)]))
    counts = [len(grid(s, k)) for s, k in zip(SIZES, STRIDES)]
    assert where.strides.tolist() == [s for s, n in zip(STRIDES, counts) for _ in range(n)]
    assert where.regress_ranges.tolist() == [
        list(r) for r, n in zip(RANGES, counts) for _ in range(n)
    ]
    assert make_locations(SIZES, STRIDES, RANGES, 'cpu') is where


def test_locations_of_odd_strides_are_those_of_the_decoder():
    stride, height, width = 5, 2, 3
    where = make_locations(((height, width),), (stride,), ((0, 64),), 'cpu').points
    cfg = dict(score_thr=0, cls_thr=0, nms_pre=6, nms={}, max_per_img=6)
    maps = torch.zeros(1, 1, height, width)
    decoded = PoseDecoder((stride,), cfg).candidates(
        ([maps], [maps.expand(1, 2, -1, -1)], [maps]), torch.tensor([[10, 15]])
    )
    assert torch.equal(decoded.keypoints[0, :, 0], where)
    assert torch.equal(where, grid((height, width), stride))


def test_locations_that_inference_made_serve_training():
    with torch.inference_mode():
        where = make_locations(((3, 3),), (8,), ((0, 64),), 'cpu')
    weight = torch.ones(9, requires_grad=True)
    (weight * where.strides).sum().backward()
    assert weight.grad.tolist() == [8] * 9


def person_of(x, y, stride, low, high, boxes, radius=1.5):
    """The assignment's definition for one location."""
    best, smallest = -1, math.inf
    for index, (x1, y1, x2, y2) in enumerate(boxes):
        cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
        left, right = max(cx - radius * stride, x1), min(cx + radius * stride, x2)
        top, bottom = max(cy - radius * stride, y1), min(cy + radius * stride, y2)
        farthest = max(x - x1, y - y1, x2 - x, y2 - y)
        area = (x2 - x1 + 1) * (y2 - y1 + 1)
        if left < x < right and top < y < bottom and low <= farthest <= high and area < smallest:
            best, smallest = index, area
    return best


# whole and half pixels, so that borders and ranges are hit exactly
coordinate = st.integers(0, 190).map(lambda v: v / 2)
box = st.tuples(coordinate, coordinate, coordinate, coordinate).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(box, max_size=6), min_size=1, max_size=3))
def test_assignment_equals_its_definition(batch):
    most = max(map(len, batch)) + 1
    padded = torch.tensor([b + [(0.0, 0.0, 0.0, 0.0)] * (most - len(b)) for b in batch])
    got = assign_persons(locations(), padded, radius=1.5)
    want = []
    for boxes in batch:
        want.append([])
        for level, (size, stride) in enumerate(zip(SIZES, STRIDES)):
            want[-1] += [
                person_of(x, y, stride, *RANGES[level], boxes)
                for x, y in grid(size, stride).tolist()
            ]
    assert got.tolist() == want


@pytest.mark.parametrize('order', [[0, 1], [1, 0]])
def test_areas_are_of_sides_one_pixel_longer(order):
    """By (w + 1) * (h + 1) the square is the smaller person; by w * h the flat box would be."""
    square, flat = [8.0, 8.0, 18.0, 18.0], [0.0, 10.0, 24.0, 14.0]  # w * h: 100 and 96
    boxes = torch.tensor([square, flat])[order]
    at = (locations().points == torch.tensor([12.0, 12.0])).all(dim=1).nonzero()[0, 0]
    assert assign_persons(locations(), boxes[None], radius=1.5)[0, at] == order.index(0)
    assert assign_persons(locations(), torch.tensor([[flat]]), radius=1.5)[0, at] == 0


def people(boxes, keypoints=None, visible=None, num_keypoints=4):
    boxes = torch.tensor(boxes, dtype=torch.float).reshape(-1, 4)
    n = len(boxes)
    if keypoints is None:
        keypoints = torch.rand(n, num_keypoints, 2) * 60
        visible = torch.randint(0, 2, (n, num_keypoints)).float()
    return InstanceData(
        bboxes=boxes,
        keypoints=keypoints,
        keypoints_visible=visible,
        labels=torch.zeros(n, dtype=torch.long),
    )


def test_targets_of_positive_locations():
    torch.manual_seed(0)
    batch = [people([[0, 0, 40, 30], [30, 20, 90, 60]]), people([]), people([[4, 4, 30, 31]])]
    where = locations()
    targets = positive_targets(where, batch, radius=1.5)
    assert len(targets.image) > 10 and set(targets.image.tolist()) == {0, 2}
    for p, (image, location) in enumerate(zip(targets.image.tolist(), targets.location.tolist())):
        x, y = where.points[location].tolist()
        stride = where.strides[location].item()
        boxes = batch[image].bboxes.tolist()
        person = person_of(x, y, stride, *where.regress_ranges[location].tolist(), boxes)
        assert person >= 0
        for k, (kx, ky) in enumerate(batch[image].keypoints[person].tolist()):
            want = torch.tensor([(kx - x) / stride, (ky - y) / stride])
            torch.testing.assert_close(targets.keypoints[p, k], want)
        assert torch.equal(targets.visible[p], batch[image].keypoints_visible[person])
        x1, y1, x2, y2 = boxes[person]
        want = math.sqrt(
            min(x - x1, x2 - x) / max(x - x1, x2 - x) * min(y - y1, y2 - y) / max(y - y1, y2 - y)
        )
        assert targets.centerness[p].item() == pytest.approx(want, abs=1e-6)


@pytest.mark.parametrize('batch_size', [1, 3])
def test_no_person_anywhere(batch_size):
    targets = positive_targets(locations(), [people([])] * batch_size, radius=1.5)
    assert len(targets.image) == len(targets.centerness) == 0
    assert targets.keypoints.shape == (0, 4, 2) and targets.visible.shape == (0, 4)
    labels = heatmap_labels([people([])] * batch_size, 4, (3, 5), 8)
    assert labels.shape == (batch_size, 3, 5) and (labels == 4).all()


def test_centerness_is_one_at_the_centre():
    box = torch.tensor([[0.0, 0.0, 8.0, 4.0]])
    assert centerness(torch.tensor([[4.0, 2.0]]), box).item() == 1
    assert centerness(torch.tensor([[2.0, 2.0]]), box).item() == pytest.approx((2 / 6) ** 0.5)


def heatmap_by_hand(instances, num_keypoints, size, stride):
    labels = torch.full((len(instances), *size), num_keypoints)
    for n, item in enumerate(instances):
        for person, seen in zip(item.keypoints.tolist(), item.keypoints_visible.tolist()):
            for k, (x, y) in enumerate(person):
                if seen[k] == 0:
                    continue
                cells = [
                    (
                        max(abs(x - stride * j - stride // 2), abs(y - stride * i - stride // 2)),
                        i,
                        j,
                    )
                    for i in range(size[0])
                    for j in range(size[1])
                ]
                _, i, j = min(cells)  # the first in row-major order on a tie
                labels[n, i, j] = k
    return labels


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            st.lists(
                st.tuples(st.integers(-10, 60), st.integers(-10, 40), st.integers(0, 1)),
                min_size=3,
                max_size=3,
            ),
            max_size=4,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_heatmap_labels_equal_their_definition(batch):
    """Whole pixels: ties between cells, several keypoints in a cell, points outside the map."""
    instances = []
    for persons in batch:
        values = torch.tensor(persons, dtype=torch.float).reshape(-1, 3, 3)
        instances.append(
            people(torch.zeros(len(values), 4).tolist(), values[..., :2], values[..., 2])
        )
    got = heatmap_labels(instances, 3, (4, 6), 8)
    assert torch.equal(got, heatmap_by_hand(instances, 3, (4, 6), 8))
