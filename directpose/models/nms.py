"""Non-maximum suppression: the only one in PyTorch code, in eager mode and in exported graphs."""

import numpy as np
import torch
import torch.nn.functional as F
import torchvision.ops
from torch import Tensor

NO_POSE = -1.0
"""The score of a row that holds no pose. Such rows fill an array up to its fixed length."""


def stable_topk(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest scores of each row; of equal scores the first comes first.

    Args:
        scores (Tensor): (N, R) with R of at least k.
        k (int): How many scores to take.

    Returns:
        Tuple[Tensor, Tensor]: Scores (N, k), largest first, and their indices (N, k) in the row.
    """
    if torch.onnx.is_in_onnx_export():
        return scores.topk(k)  # ONNX defines its TopK as stable; PyTorch does not
    scores, index = scores.sort(dim=1, descending=True, stable=True)
    return scores[:, :k], index[:, :k]


def take(rows: Tensor, index: Tensor) -> Tensor:
    """Take the rows that an index names.

    Args:
        rows (Tensor): (N, R, ...).
        index (Tensor): (N, r), indices of rows.

    Returns:
        Tensor: (N, r, ...).
    """
    flat = rows.flatten(2)  # (N, R, C)
    index = index[:, :, None].expand(-1, -1, flat.shape[2])  # (N, r, C)
    return flat.gather(1, index).unflatten(2, rows.shape[2:])


def nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int, max_per_img: int
) -> tuple[Tensor, Tensor]:
    """Keep the best of the boxes that overlap, in each image of a batch.

    The result is that of ``mmcv.ops.nms`` on each image, with the order of equal scores fixed:
    the first of them is better. The images of a batch are laid side by side, so that one call
    of torchvision's NMS, an ordinary operator of ONNX, serves them all.

    Args:
        boxes (Tensor): (N, R, 4) as x1, y1, x2, y2 in pixels, not below 0 where N is above 1.
        scores (Tensor): (N, R). Rows with a score below 0 are ignored.
        iou_threshold (float): A box is dropped if its IoU with a better box is larger.
        offset (int): What is added to a width or height in pixels: 1 if a box ends at its last
            pixel, as in the original, 0 if it ends behind that.
        max_per_img (int): How many rows the result has, at most R.

    Returns:
        Tuple[Tensor, Tensor]: Scores (N, max_per_img), best first, and the indices
        (N, max_per_img) of the boxes kept. Rows beyond the last box have ``NO_POSE`` as score.
    """
    # torchvision knows offset 0 only; a box that ends one pixel later has the same width
    corners = torch.cat([boxes[..., :2], boxes[..., 2:] + offset], dim=2)
    shift = torch.arange(boxes.shape[0], device=boxes.device) * corners.amax().ceil()  # (N, )
    shift = F.pad(shift[:, None], (0, 1))  # (N, 2): to the right and down
    corners = corners + torch.cat([shift, shift], dim=1)[:, None]
    corners = corners.flatten(0, 1)  # (N * R, 4)
    flat = scores.flatten()  # (N * R, )
    valid = (flat >= 0).nonzero()[:, 0]  # the only wait for the device
    # MMCV and ONNX compare in fp32: an IoU of 0.4 is not above a threshold of 0.4
    threshold = float(np.float32(iou_threshold))
    kept = valid[torchvision.ops.nms(corners[valid], flat[valid], threshold)]
    scores = torch.full_like(flat, NO_POSE).scatter(0, kept, flat[kept]).view_as(scores)
    return stable_topk(scores, max_per_img)
