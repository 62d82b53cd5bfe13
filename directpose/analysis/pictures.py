"""Pictures for measurements and comparisons."""

import cv2
import numpy as np

from directpose.packaged import EXAMPLES
from directpose.pictures import read_picture


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


def make_picture_of_people(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Make a picture of soft coloured blobs, with people whom this package has drawn before them.

    Args:
        width (int): Width in pixels.
        height (int): Height in pixels.
        seed (int): Seed of the colours, and the number of the drawing.

    Returns:
        np.ndarray: (height, width, 3), uint8, BGR.
    """
    picture = make_picture(width, height, seed)
    people = read_picture(EXAMPLES[seed % len(EXAMPLES)])
    scale = min(width / people.shape[1], height / people.shape[0])
    people = cv2.resize(people, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    picture[: people.shape[0], : people.shape[1]] = people[:height, :width]
    return picture
