"""What holds for all people and boxes: targets decode to their people, NMS keeps what it should."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.structures import InstanceData

from directpose.models.decode import PoseDecoder
from directpose.models.nms import nms as torch_nms
from directpose.models.targets import make_locations, positive_targets
from directpose.runtime.nms import nms as numpy_nms

STRIDES = (8, 16, 32)
RANGES = ((-1, 24), (24, 48), (48, math.inf))
SIZES = ((16, 16), (8, 8), (4, 4))  # of an image of 128 pixels
NUM_KEYPOINTS = 5
TEST_CFG = dict(
    score_thr=0.0,
    cls_thr=0.5,
    nms_pre=100,
    nms=dict(iou_threshold=0.4, offset=1),
    max_per_img=50,
)

keypoints_in_a_quarter = st.lists(
    st.tuples(st.floats(1, 63, width=32), st.floats(1, 63, width=32)),
    min_size=NUM_KEYPOINTS,
    max_size=NUM_KEYPOINTS,
)


def people(poses):
    keypoints = torch.tensor(poses).view(-1, NUM_KEYPOINTS, 2)
    return InstanceData(
        keypoints=keypoints,
        keypoints_visible=torch.ones(keypoints.shape[:2]),
        bboxes=torch.cat([keypoints.amin(dim=1), keypoints.amax(dim=1)], dim=1),
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(keypoints_in_a_quarter, max_size=4), min_size=1, max_size=2))
def test_decoding_the_targets_gives_the_people(images):
    """Each person of an image has a quarter of the image, so that NMS parts nobody."""
    corners = torch.tensor([[0, 0], [64, 0], [0, 64], [64, 64]])
    instances = [
        people([(torch.tensor(pose) + corner).tolist() for pose, corner in zip(poses, corners)])
        for poses in images
    ]
    targets = positive_targets(make_locations(SIZES, STRIDES, RANGES, 'cpu'), instances, 1.5)

    # what a perfect head returns
    num_locations = sum(height * width for height, width in SIZES)
    cls_score = torch.full((len(images), 1, num_locations), -10.0)
    keypoint_pred = torch.zeros(len(images), 2 * NUM_KEYPOINTS, num_locations)
    cls_score[targets.image, 0, targets.location] = 10
    keypoint_pred[targets.image, :, targets.location] = targets.keypoints.flatten(1)
    counts = [height * width for height, width in SIZES]
    outputs = [
        [part.unflatten(2, size) for part, size in zip(maps.split(counts, dim=2), SIZES)]
        for maps in (cls_score, keypoint_pred, cls_score)
    ]
    sizes = torch.tensor([[128, 128]] * len(images))
    found = PoseDecoder(STRIDES, TEST_CFG)(outputs, sizes)

    for index, (instance, scores) in enumerate(zip(instances, found.scores)):
        at = targets.points[targets.image == index]  # (P, 2)
        boxes = instance.bboxes[:, None]
        inside = ((at > boxes[..., :2]) & (at < boxes[..., 2:])).all(dim=2).any(dim=1)
        expected = instance.keypoints[inside]  # a small person may have no location
        poses = found.keypoints[index][scores >= 0]
        assert len(poses) == len(expected)
        for pose in expected:
            assert (poses - pose).abs().amax(dim=(1, 2)).min() < 1e-3


def run_torch(boxes, scores, threshold, offset):
    kept, index = torch_nms(boxes[None], scores[None], threshold, offset, len(boxes))
    return index[0][kept[0] >= 0].tolist()


def run_numpy(boxes, scores, threshold, offset):
    return numpy_nms(boxes.numpy(), scores.numpy(), threshold, offset, len(boxes)).tolist()


def iou(a, b, offset):
    """Of two boxes, by their definition."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + offset
    height = min(a[3], b[3]) - max(a[1], b[1]) + offset
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)]
    return shared / (sum(areas) - shared) if shared else 0.0


# whole pixels and few scores: boxes that are equal, touch or have no extent, and ties
side = st.integers(0, 12)
box = st.tuples(side, side, side, side).map(
    lambda b: [min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3])]
)
scored_boxes = st.lists(st.tuples(box, st.integers(0, 5)), min_size=1, max_size=12)


@pytest.mark.parametrize('run', [run_torch, run_numpy])
@settings(max_examples=100, deadline=None)
@given(rows=scored_boxes, offset=st.sampled_from([0, 1]))
def test_nms_keeps_the_best_of_those_that_overlap(run, rows, offset):
    threshold = 0.4
    boxes = torch.tensor([row[0] for row in rows], dtype=torch.float32)
    scores = torch.tensor([row[1] / 5 for row in rows])
    kept = run(boxes, scores, threshold, offset)
    order = sorted(range(len(rows)), key=lambda i: (-rows[i][1], i))
    assert kept == [i for i in order if i in kept]  # best first, of equal ones the first
    overlapping = {
        (i, j): iou(rows[i][0], rows[j][0], offset) > threshold
        for i in range(len(rows))
        for j in range(len(rows))
    }
    assert not any(overlapping[i, j] for i in kept for j in kept if i != j)
    for i in set(order) - set(kept):
        better = order[: order.index(i)]
        assert any(overlapping[i, j] for j in kept if j in better)
    again = run(boxes[kept], scores[kept], threshold, offset)
    assert again == list(range(len(kept)))
