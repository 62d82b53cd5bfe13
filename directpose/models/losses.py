"""The weights of the keypoint loss, and the divisor of its sum. The losses are mmdet's.

As in the original, each process counts its own locations. Nothing is summed over GPUs.
"""

from torch import Tensor


def keypoint_weights(visible: Tensor, centerness: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the weight of each keypoint in the keypoint loss.

    The loss of a positive location is the mean over x and y and over the labelled keypoints of
    its person. The loss of a batch is the mean of these over the P positive locations, weighted
    by their centerness targets. Locations of people without a labelled keypoint have weight 0.

    Args:
        visible (Tensor): Tensor of shape (P, K), 1 for labelled keypoints and 0 for others.
        centerness (Tensor): Centerness targets of shape (P, ).

    Returns:
        tuple[Tensor, Tensor]: The weights of the keypoints' coordinates, of shape (P, K, 1), and
        the divisor of the weighted sum. The divisor is the sum of the locations' weights, but at
        least 1.
    """
    labelled = visible.sum(dim=1)  # (P, )
    weight = location_weights(visible, centerness)
    weights = weight[:, None] * visible / (2 * labelled.clamp(min=1))[:, None]  # (P, K)
    return weights.unsqueeze(-1), weight.sum().clamp(min=1)


def location_weights(visible: Tensor, centerness: Tensor) -> Tensor:
    """Compute the weight of each positive location in the losses of its keypoints.

    Args:
        visible (Tensor): Tensor of shape (P, K), 1 for labelled keypoints and 0 for others.
        centerness (Tensor): Centerness targets of shape (P, ).

    Returns:
        Tensor: Weights of shape (P, ). The weight is the centerness target, or 0 if the person has
        no labelled keypoint.
    """
    return centerness * visible.any(dim=1)
