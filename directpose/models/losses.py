"""Weights and normalisers of the losses; the losses themselves are mmdet's.

All counts are those of one process, as in the original: they are not reduced over GPUs.
"""

from torch import Tensor


def keypoint_weights(visible: Tensor, centerness: Tensor) -> tuple[Tensor, Tensor]:
    """Weights that turn a sum of losses of coordinates into the keypoint loss.

    A person's loss is the mean over x and y and over its labelled keypoints; the loss of the
    batch is the mean over positive locations, weighted by their centerness targets. Locations
    of people with no labelled keypoint have the weight 0.

    Args:
        visible (Tensor): (P, K), 1 for labelled keypoints.
        centerness (Tensor): (P, ), the targets.

    Returns:
        Tuple[Tensor, Tensor]: The weight of each keypoint's coordinates, (P, K, 1), and the sum
        of the weights of the locations, at least 1, by which to divide.
    """
    labelled = visible.sum(dim=1)  # (P, )
    weight = location_weights(visible, centerness)
    weights = weight[:, None] * visible / (2 * labelled.clamp(min=1))[:, None]  # (P, K)
    return weights.unsqueeze(-1), weight.sum().clamp(min=1)


def location_weights(visible: Tensor, centerness: Tensor) -> Tensor:
    """The weight of each positive location in the losses of its keypoints.

    Args:
        visible (Tensor): (P, K), 1 for labelled keypoints.
        centerness (Tensor): (P, ), the targets.

    Returns:
        Tensor: (P, ), the centerness, and 0 for people with no labelled keypoint.
    """
    return centerness * visible.any(dim=1)
