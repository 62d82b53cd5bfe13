"""Decoding against loops over locations and pairs of boxes."""

import math

import pytest
import torch

from directpose.models.decode import decode_poses, keypoint_boxes

STRIDES = (8, 16)
SIZES = ((6, 9), (3, 5))
CFG = dict(score_thr=0.3, nms_pre=1000, iou_threshold=0.4, offset=1, max_per_img=100)


def raw_maps(seed=0, num_keypoints=3):
    torch.manual_seed(seed)
    cls = [torch.randn(1, *s) * 2 for s in SIZES]
    kpt = [torch.randn(2 * num_keypoints, *s) * 3 for s in SIZES]
    ctr = [torch.randn(1, *s) for s in SIZES]
    return cls, kpt, ctr


def points():
    return [
        torch.tensor(
            [[k * j + k // 2, k * i + k // 2] for i in range(s[0]) for j in range(s[1])],
            dtype=torch.float,
        )
        for s, k in zip(SIZES, STRIDES)
    ]


def iou(a, b):
    """With the legacy widths, one pixel more than the difference."""
    w = min(a[2], b[2]) - max(a[0], b[0]) + 1
    h = min(a[3], b[3]) - max(a[1], b[1]) + 1
    both = max(w, 0) * max(h, 0)
    area = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
    return both / (sum(area) - both)


def decode_by_hand(
    cls, kpt, ctr, img_shape, score_thr, nms_pre, iou_threshold, offset, max_per_img
):
    assert offset == 1
    height, width = img_shape
    people = []
    for level, stride in enumerate(STRIDES):
        found = []
        for i in range(SIZES[level][0]):
            for j in range(SIZES[level][1]):
                prob = 1 / (1 + math.exp(-cls[level][0, i, j].item()))
                if prob <= score_thr:
                    continue
                score = prob / (1 + math.exp(-ctr[level][0, i, j].item()))
                values = kpt[level][:, i, j].tolist()
                pose = [
                    (stride * (j + x) + stride // 2, stride * (i + y) + stride // 2)
                    for x, y in zip(values[::2], values[1::2])
                ]
                xs, ys = zip(*pose)
                box = [
                    min(max(min(xs), 0), width - 1),
                    min(max(min(ys), 0), height - 1),
                    min(max(max(xs), 0), width - 1),
                    min(max(max(ys), 0), height - 1),
                ]
                found.append((score, pose, box))
        people += sorted(found, key=lambda p: -p[0])[:nms_pre]
    kept = []
    for person in sorted(people, key=lambda p: -p[0]):
        if all(iou(person[2], other[2]) <= iou_threshold for other in kept):
            kept.append(person)
    return kept[:max_per_img]


@pytest.mark.parametrize(
    'change',
    [{}, dict(score_thr=0.8), dict(nms_pre=5), dict(max_per_img=3), dict(iou_threshold=0.8)],
)
def test_equals_a_loop(change):
    maps, cfg = raw_maps(), {**CFG, **change}
    poses = decode_poses(*maps, points(), STRIDES, (45, 70), **cfg)
    want = decode_by_hand(*maps, (45, 70), **cfg)
    assert len(want) > 1
    torch.testing.assert_close(poses.scores, torch.tensor([p[0] for p in want]))
    torch.testing.assert_close(poses.keypoints, torch.tensor([p[1] for p in want]))
    torch.testing.assert_close(poses.boxes, torch.tensor([p[2] for p in want]))


def test_nobody():
    cls, kpt, ctr = raw_maps()
    poses = decode_poses([c - 100 for c in cls], kpt, ctr, points(), STRIDES, (45, 70), **CFG)
    assert poses.scores.shape == (0,) and poses.keypoints.shape == (0, 3, 2)
    assert poses.boxes.shape == (0, 4)


def test_a_person_found_at_many_locations_is_one_pose():
    """Every location of both levels points at the same three keypoints."""
    pose = torch.tensor([[10.0, 10.0], [40.0, 12.0], [25.0, 38.0]])
    kpt = []
    for pts, size, stride in zip(points(), SIZES, STRIDES):
        offsets = (pose - pts[:, None]) / stride  # (H * W, K, 2)
        kpt.append(offsets.flatten(1).T.reshape(-1, *size))
    cls = [torch.full((1, *s), 2.0) for s in SIZES]
    cls[0][0, 2, 3] = 4.0
    poses = decode_poses(
        cls, kpt, [torch.zeros(1, *s) for s in SIZES], points(), STRIDES, (48, 72), **CFG
    )
    assert len(poses.scores) == 1
    torch.testing.assert_close(poses.keypoints[0], pose)


def test_boxes_are_clipped_to_the_image_without_padding_and_keypoints_are_not():
    keypoints = torch.tensor([[[-5.0, 3.0], [99.0, 50.0]], [[-9.0, -9.0], [-8.0, -7.0]]])
    assert keypoint_boxes(keypoints, (40, 60)).tolist() == [[0, 3, 59, 39], [0, 0, 0, 0]]
