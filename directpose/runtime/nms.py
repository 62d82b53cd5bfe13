"""Non-maximum suppression (NMS) in NumPy, for files that were exported without it."""

import numpy as np


def nms(
    boxes: np.ndarray, scores: np.ndarray, iou_threshold: float, offset: int, max_per_img: int
) -> np.ndarray:
    """Keep the best of the boxes that overlap.

    Args:
        boxes (np.ndarray): (n, 4) as x1, y1, x2, y2 in pixels.
        scores (np.ndarray): (n, ).
        iou_threshold (float): A box is dropped if its IoU with a better box is above this value.
        offset (int): The number of pixels that is added to each width and height. It is 1 if x2
            and y2 are the last pixel inside the box, and 0 if they are the first pixel outside.
        max_per_img (int): The largest number of boxes to keep.

    Returns:
        np.ndarray: (m, ), the indices of the boxes that are kept, best first.
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
