"""NMS against MMCV's, which is compiled, and its promises where scores are equal."""

import mmcv.ops
import pytest
import torch

from directpose.models.nms import NO_POSE, nms, stable_topk


def random_boxes(seed, num_images=1, num_boxes=60, whole=False):
    """Boxes that overlap much, some of which clipping has left without extent."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(num_images, num_boxes, 2, 2, generator=generator) * 140 - 20
    if whole:
        corners = corners.round()
    corners = corners.clamp(0, 99)
    boxes = torch.cat([corners.amin(dim=2), corners.amax(dim=2)], dim=2)
    return boxes, torch.rand(num_images, num_boxes, generator=generator)


def mmcv_nms(boxes, scores, iou_threshold, offset, max_per_img):
    """Indices that ``mmcv.ops.nms`` keeps, with equal scores sorted stably first."""
    order = scores.argsort(descending=True, stable=True)
    _, keep = mmcv.ops.nms(
        boxes[order],
        torch.linspace(1, 0.5, len(scores)),  # no two are equal, whatever its sort does
        iou_threshold,
        offset=offset,
        max_num=max_per_img,
    )
    return order[keep]


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('whole', [False, True], ids=['fractions', 'whole pixels'])
@pytest.mark.parametrize('decimals', [6, 1], ids=['distinct scores', 'equal scores'])
def test_equals_mmcv(offset, whole, decimals):
    empty = 0
    for seed in range(40):
        boxes, scores = random_boxes(seed, num_images=1 + seed % 3, whole=whole)
        scores = scores.round(decimals=decimals)
        empty += (boxes[..., 2:] == boxes[..., :2]).any(dim=-1).sum()
        for max_per_img in (60, 5):
            got, index = nms(boxes, scores, 0.4, offset, max_per_img)
            assert got.shape == index.shape == (len(boxes), max_per_img)
            for i in range(len(boxes)):
                want = mmcv_nms(boxes[i], scores[i], 0.4, offset, max_per_img)
                assert index[i][got[i] >= 0].tolist() == want.tolist()
                assert torch.equal(got[i][got[i] >= 0], scores[i][want])
    assert empty > 100


def test_boxes_at_the_threshold_are_both_kept():
    """Boxes of 10 x 10 pixels, of which 4 x 10 are shared: IoU 40 / 160."""
    boxes = torch.tensor([[[0.0, 0, 9, 9], [6, 0, 15, 9]]])
    scores = torch.tensor([[0.5, 0.6]])
    assert nms(boxes, scores, 0.25, 1, 2)[1].tolist() == [[1, 0]]
    assert nms(boxes, scores, 0.24, 1, 2)[0].tolist() == [[scores[0, 1].item(), NO_POSE]]


def test_rows_without_a_pose_are_ignored():
    boxes = torch.tensor([[[0.0, 0, 9, 9], [0, 0, 9, 9], [50, 50, 60, 60]]]).repeat(2, 1, 1)
    scores = torch.tensor([[NO_POSE, 0.5, NO_POSE], [NO_POSE] * 3])
    kept, index = nms(boxes, scores, 0.4, 1, 3)
    assert kept.tolist() == [[0.5, NO_POSE, NO_POSE], [NO_POSE] * 3] and index[0, 0] == 1


@pytest.mark.parametrize('row', [0, 3], ids=['a pose', 'a row without a pose'])
def test_a_box_that_is_not_a_number_changes_no_other(row):
    """Neither in its own image nor in another one."""
    boxes = torch.tensor([[0.0, 0, 9, 9]]).repeat(2, 4, 1)
    boxes[0, row] = torch.nan
    scores = torch.tensor([0.7, 0.9, 0.8, NO_POSE]).repeat(2, 1)
    kept, index = nms(boxes, scores, 0.4, 1, 4)
    found = index[0][kept[0] >= 0].tolist(), index[1][kept[1] >= 0].tolist()
    assert found == ([1, 0] if row == 0 else [1], [1])


def test_of_equal_scores_the_first_is_taken():
    scores = torch.tensor([0.0, 1.0]).repeat(3, 4000)  # enough for sorts that are not stable
    values, index = stable_topk(scores, 5000)
    assert index[0].tolist() == [*range(1, 8000, 2), *range(0, 2000, 2)]
    assert torch.equal(values[2], scores[2][index[2]])
