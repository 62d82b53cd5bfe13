"""Non-maximum suppression (NMS) in PyTorch, for eager mode and for exported graphs."""

import numpy as np
import torch
import torch.nn.functional as F
import torchvision.ops
from torch import Tensor

NO_POSE = -1.0
"""The score of a row that holds no pose. Such rows fill an array up to its fixed length."""


def stable_topk(scores: Tensor, k: int | Tensor) -> tuple[Tensor, Tensor]:
    """Take the k largest scores of each row. Equal scores keep their order.

    Args:
        scores (Tensor): Scores of shape (N, R).
        k (int or Tensor): Number of scores to take from each row, at most R. In an export to ONNX,
            this may be a tensor of shape (). Elsewhere a larger number takes all scores.

    Returns:
        tuple[Tensor, Tensor]: The scores, largest first, and their indices in the row. Both have
        shape (N, k).
    """
    if torch.onnx.is_in_onnx_export():
        return scores.topk(k)  # ONNX defines its TopK as stable; PyTorch does not
    scores, index = scores.sort(dim=1, descending=True, stable=True)
    return scores[:, :k], index[:, :k]


def take(rows: Tensor, index: Tensor) -> Tensor:
    """Take rows by their indices, in each image of a batch.

    Args:
        rows (Tensor): Rows of shape (N, R, ...).
        index (Tensor): Indices of the rows to take, of shape (N, r).

    Returns:
        Tensor: The rows, of shape (N, r, ...).
    """
    first = torch.arange(rows.shape[0], device=rows.device) * rows.shape[1]  # (N, )
    # Exported, an index into the rows of all images is faster than gather, which has one for each
    # value.
    return rows.flatten(0, 1)[index + first[:, None]]


def nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int, max_per_img: int
) -> tuple[Tensor, Tensor]:
    """Keep the best of the boxes that overlap, in each image of a batch.

    For each image the result is that of ``mmcv.ops.nms``, except that the order of equal scores
    is fixed: the first box counts as the better one. The function moves the images of a batch
    next to each other. Then a single call of torchvision's NMS, which ONNX has as an operator, is
    enough for all of them.

    Args:
        boxes (Tensor): Boxes of shape (N, R, 4), as x1, y1, x2, y2 in pixels. If N is above 1, no
            coordinate may be negative.
        scores (Tensor): Scores of shape (N, R). Rows with a negative score are ignored.
        iou_threshold (float): A box is dropped if its IoU with a better box is above this value.
        offset (int): The number of pixels that is added to each width and height. It is 1 if x2
            and y2 are the last pixel inside the box, as in the original, and 0 if they are the
            first pixel outside.
        max_per_img (int): Number of rows of the result.

    Returns:
        tuple[Tensor, Tensor]: The scores of the boxes that are kept, best first, and the indices
        of these boxes. Both have shape (N, max_per_img). Rows after the last box have the score
        ``NO_POSE`` and the index 0.
    """
    # torchvision has no offset. A box that ends one pixel later has the same width as with one.
    corners = torch.cat([boxes[..., :2], boxes[..., 2:] + offset], dim=2)
    # Without NaN: one such box would make all boxes NaN, and none of them would overlap another.
    largest = corners.where(corners >= 0, 0).amax()
    shift = torch.arange(boxes.shape[0], device=boxes.device) * largest.ceil()  # (N, )
    shift = F.pad(shift[:, None], (0, 1))  # (N, 2): to the right and down
    corners = corners + torch.cat([shift, shift], dim=1)[:, None]
    corners = corners.reshape(-1, 4)  # (N * R, 4)
    flat = scores.flatten()  # (N * R, )
    valid = (flat >= 0).nonzero()[:, 0]  # the only wait for the device
    # MMCV and ONNX compare in fp32, where an IoU of 0.4 is not above a threshold of 0.4.
    threshold = float(np.float32(iou_threshold))
    kept = valid[torchvision.ops.nms(corners[valid], flat[valid], threshold)]
    scores = torch.full_like(flat, NO_POSE).scatter(0, kept, flat[kept]).view_as(scores)
    scores, index = stable_topk(F.pad(scores, (0, max_per_img), value=NO_POSE), max_per_img)
    return scores, index.where(scores >= 0, 0)
