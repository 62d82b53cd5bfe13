"""A picture for measurements and comparisons in which it does not matter what it shows."""

import cv2
import numpy as np


def make_picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Make a picture of soft coloured blobs.

    Args:
        width (int): Width in pixels.
        height (int): Height in pixels.
        seed (int): Seed of the colours; the same arguments give the same picture.

    Returns:
        np.ndarray: (height, width, 3), uint8, BGR.
    """
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for cells in (4, 16, 64):
        coarse = rng.uniform(-1, 1, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(127.5 + 60 * picture, 0, 255).astype(np.uint8)
