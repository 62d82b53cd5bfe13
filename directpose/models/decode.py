"""From raw maps to poses: candidates, keypoints, boxes and NMS, the only post-processing."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmcv.ops import nms
from mmdet.structures.bbox import distance2bbox
from torch import Tensor


class Poses(NamedTuple):
    """Poses of one image in input pixels."""

    scores: Tensor
    """(n, )."""
    keypoints: Tensor
    """(n, K, 2), x first; they may lie outside of the image."""
    boxes: Tensor
    """(n, 4) xyxy, clipped to the image: the extremes of the keypoints, or those predicted."""


def select_candidates(
    cls_score: Tensor, centerness: Tensor, score_thr: float, nms_pre: int
) -> tuple[Tensor, Tensor]:
    """The best candidates of one level of one image.

    The threshold is on the classification alone; the rank, and the score of a person, is its
    product with the centerness.

    Args:
        cls_score (Tensor): (1, H, W) logits.
        centerness (Tensor): (1, H, W) logits.
        score_thr (float): Locations with at most this classification score are no candidates.
        nms_pre (int): At most so many candidates.

    Returns:
        Tuple[Tensor, Tensor]: Scores (n, ), best first, and which of the H * W locations these
        are, (n, ).
    """
    prob = cls_score.flatten().sigmoid()  # (H * W, )
    scores = (prob * centerness.flatten().sigmoid()).where(prob > score_thr, -1)
    scores, index = scores.topk(min(nms_pre, len(scores)))
    index = index[scores >= 0]
    return scores[: len(index)], index


def keypoint_boxes(keypoints: Tensor, img_shape: tuple[int, int]) -> Tensor:
    """Boxes around keypoints, clipped to the image.

    Args:
        keypoints (Tensor): (n, K, 2) in input pixels.
        img_shape (Tuple[int, int]): Height and width of the image without padding.

    Returns:
        Tensor: (n, 4) xyxy within [0, width - 1] and [0, height - 1].
    """
    return _clip(torch.cat([keypoints.amin(dim=1), keypoints.amax(dim=1)], dim=1), img_shape)


def _clip(boxes: Tensor, img_shape: tuple[int, int]) -> Tensor:
    """Boxes (n, 4) within [0, width - 1] and [0, height - 1]."""
    height, width = img_shape[:2]
    limit = boxes.new_tensor([width - 1, height - 1, width - 1, height - 1])
    return torch.minimum(boxes.clamp(min=0), limit)


def decode_poses(
    cls_scores: Sequence[Tensor],
    keypoint_preds: Sequence[Tensor],
    centernesses: Sequence[Tensor],
    points: Sequence[Tensor],
    strides: Sequence[int],
    img_shape: tuple[int, int],
    score_thr: float,
    nms_pre: int,
    iou_threshold: float,
    offset: int,
    max_per_img: int,
    box_preds: Sequence[Tensor] | None = None,
) -> Poses:
    """Poses of one image, best first.

    Args:
        cls_scores (Sequence[Tensor]): (1, H, W) logits a level.
        keypoint_preds (Sequence[Tensor]): (2K, H, W) a level, in strides.
        centernesses (Sequence[Tensor]): (1, H, W) logits a level.
        points (Sequence[Tensor]): (H * W, 2) a level, the locations in input pixels.
        strides (Sequence[int]): A stride a level, in input pixels.
        img_shape (Tuple[int, int]): Height and width of the image without padding.
        score_thr (float): See :func:`select_candidates`.
        nms_pre (int): Candidates a level, at most.
        iou_threshold (float): NMS drops a pose whose box overlaps a better one's by more.
        offset (int): What NMS adds to a width or height in pixels: 1 as in the original.
        max_per_img (int): Poses, at most.
        box_preds (Sequence[Tensor], optional): (4, H, W) a level, distances to the left, top,
            right and bottom of the box, in strides. Without them a box is the keypoints'.
    """
    selected = [
        select_candidates(cls.float(), ctr.float(), score_thr, nms_pre)
        for cls, ctr in zip(cls_scores, centernesses)
    ]
    scores = torch.cat([score for score, _ in selected])

    def gather(maps: Sequence[Tensor]) -> Tensor:
        return torch.cat(
            [
                m.flatten(1)[:, index].T.float() * stride
                for m, (_, index), stride in zip(maps, selected, strides)
            ]
        )  # (n, C), input pixels

    points = torch.cat([p[index] for p, (_, index) in zip(points, selected)])  # (n, 2)
    keypoints = points[:, None] + gather(keypoint_preds).unflatten(1, (-1, 2))  # (n, K, 2)
    if box_preds is None:
        boxes = keypoint_boxes(keypoints, img_shape)
    else:
        boxes = _clip(distance2bbox(points, gather(box_preds)), img_shape)
    _, keep = nms(boxes, scores, iou_threshold, offset=offset, max_num=max_per_img)
    return Poses(scores[keep], keypoints[keep], boxes[keep])
