"""NMS for files that were exported without it."""

import numpy as np


def nms(
    boxes: np.ndarray, scores: np.ndarray, iou_threshold: float, offset: int, max_per_img: int
) -> np.ndarray:
    """Which boxes stay, best first.

    Args:
        boxes (np.ndarray): (n, 4) as x1, y1, x2, y2.
        scores (np.ndarray): (n, ).
        iou_threshold (float): A box is dropped that overlaps a better one's by more.
        offset (int): What is added to a width or height in pixels.
        max_per_img (int): So many boxes, at most.

    Returns:
        np.ndarray: (m, ) indices.
    """
    areas = np.prod(boxes[:, 2:] - boxes[:, :2] + offset, axis=1)  # (n, )
    order = np.argsort(-scores, kind='stable')
    keep: list[int] = []
    while len(order) and len(keep) < max_per_img:
        best, order = order[0], order[1:]
        keep.append(best)
        top_left = np.maximum(boxes[best, :2], boxes[order, :2])
        bottom_right = np.minimum(boxes[best, 2:], boxes[order, 2:])
        overlap = np.prod((bottom_right - top_left + offset).clip(min=0), axis=1)
        order = order[overlap <= iou_threshold * (areas[best] + areas[order] - overlap)]
    return np.array(keep, dtype=int)
