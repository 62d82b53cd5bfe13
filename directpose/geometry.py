"""The size that an image is given before the network sees it, and boxes around keypoints."""

import numpy as np


def short_side_resize(
    size: tuple[int, int], short_side: int, max_long_side: int
) -> tuple[int, int]:
    """Size of an image resized by its short side, rounded as in maskrcnn-benchmark.

    The long side is cut off to an integer, not rounded, which differs from
    :func:`mmcv.rescale_size` by a pixel for about every second image.

    Args:
        size (tuple[int, int]): Width and height before the resize.
        short_side (int): Length of the short side after it.
        max_long_side (int): The largest length of the long side (up to rounding). If needed, the
            short side becomes shorter for it. If an image is so thin that its short side becomes
            one pixel, the long side has this length, which changes the shape.

    Returns:
        tuple[int, int]: Width and height after the resize.
    """
    w, h = size
    short, long = min(w, h), max(w, h)
    if long / short * short_side > max_long_side:
        short_side = round(max_long_side * short / long)
    if short_side > 1:
        long_side = int(short_side * long / short)
    else:  # the rounding is as large as the side: the cap goes before the shape
        short_side, long_side = 1, min(long // short, max(max_long_side, 1))
    return (short_side, long_side) if w < h else (long_side, short_side)


def box_of_keypoints(
    keypoints: np.ndarray, labelled: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """The tight box of each person's labelled keypoints, grown by one pixel and clipped.

    Args:
        keypoints (np.ndarray): (n, K, 2), x and y in pixels of the image.
        labelled (np.ndarray): (n, K) bool.
        size (tuple[int, int]): Width and height of the image.

    Returns:
        np.ndarray: (n, 4) as x1, y1, x2, y2. Where nothing is labelled within the image the box
        is empty: x2 <= x1 or y2 <= y1.
    """
    w, h = size
    labelled = labelled[..., None]  # (n, K, 1)
    # Nothing labelled gives (inf, inf, -inf, -inf), which clipping turns into an empty box.
    top_left = np.where(labelled, keypoints, np.inf).min(axis=1) - 1  # (n, 2)
    bottom_right = np.where(labelled, keypoints, -np.inf).max(axis=1) + 1  # (n, 2)
    box = np.stack([top_left, bottom_right], axis=1).clip(0, (w - 1, h - 1))  # (n, 2, 2)
    return box.reshape(-1, 4)
