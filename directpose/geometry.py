"""The size that an image is given before the network sees it, and boxes around keypoints."""

import numpy as np


def short_side_resize(
    size: tuple[int, int], short_side: int, max_long_side: int
) -> tuple[int, int]:
    """Compute the size of an image that is resized by its short side.

    The rounding is that of maskrcnn-benchmark: the long side is rounded down.
    :func:`mmcv.rescale_size` rounds to the nearest integer, and so differs by a pixel for about
    every second image.

    Args:
        size (tuple[int, int]): Width and height before the resize.
        short_side (int): Length of the short side after the resize.
        max_long_side (int): The largest length of the long side, up to rounding. If the long side
            would be longer, both sides become shorter. If an image is so thin that its short side
            becomes one pixel, its proportions change, so that the long side keeps to the limit.

    Returns:
        tuple[int, int]: Width and height after the resize.
    """
    w, h = size
    short, long = min(w, h), max(w, h)
    if long / short * short_side > max_long_side:
        short_side = round(max_long_side * short / long)
    if short_side > 1:
        long_side = int(short_side * long / short)
    else:  # Rounding changes the proportions anyway. The limit of the long side still holds.
        short_side, long_side = 1, min(long // short, max(max_long_side, 1))
    return (short_side, long_side) if w < h else (long_side, short_side)


def box_of_keypoints(
    keypoints: np.ndarray, labelled: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Compute the tight box around each person's labelled keypoints.

    The box is enlarged by one pixel on every side and clipped to the image.

    Args:
        keypoints (np.ndarray): (n, K, 2), x and y in pixels of the image.
        labelled (np.ndarray): (n, K) bool, whether each keypoint is labelled.
        size (tuple[int, int]): Width and height of the image.

    Returns:
        np.ndarray: (n, 4) as x1, y1, x2, y2. If a person has no labelled keypoint in the image,
        the box is empty: x2 <= x1 or y2 <= y1.
    """
    w, h = size
    labelled = labelled[..., None]  # (n, K, 1)
    # Without a labelled keypoint this is (inf, inf, -inf, -inf). Clipping makes an empty box of it.
    top_left = np.where(labelled, keypoints, np.inf).min(axis=1) - 1  # (n, 2)
    bottom_right = np.where(labelled, keypoints, -np.inf).max(axis=1) + 1  # (n, 2)
    box = np.stack([top_left, bottom_right], axis=1).clip(0, (w - 1, h - 1))  # (n, 2, 2)
    return box.reshape(-1, 4)
