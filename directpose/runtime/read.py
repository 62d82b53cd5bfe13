"""Read pictures from files, arrays and PIL pictures."""

import sys
from os import PathLike

import numpy as np

from directpose.pictures import pixels_of, read_picture


def read(picture) -> np.ndarray:
    """Convert a picture to an array.

    Args:
        picture (str | PathLike | np.ndarray | PIL.Image.Image): One of

            - a file, which is turned upright as its EXIF data say;
            - an array of uint8: (H, W, 3) in BGR as OpenCV reads it, (H, W, 4) in BGRA, (H, W)
              or (H, W, 1) in grey. It may be read-only and have any strides;
            - a PIL picture, which is not turned. 16 bits a channel become 8.

    Returns:
        np.ndarray: (H, W, 3) uint8, BGR.

    Raises:
        ValueError: If ``picture`` is none of these, or if the file cannot be read.
    """
    if isinstance(picture, (str, PathLike)):
        return read_picture(picture)
    pil = sys.modules.get('PIL.Image')  # imported already where there is a picture of Pillow
    if pil is not None and isinstance(picture, pil.Image):
        return pixels_of(picture)
    if not isinstance(picture, np.ndarray):
        raise ValueError(
            f'the picture is {type(picture).__name__}; give a path, a PIL picture, or an array '
            'of (H, W, 3) uint8 in BGR'
        )
    shape, channels = picture.shape, picture.shape[2] if picture.ndim == 3 else 1
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or 0 in shape:
        raise _wrong(picture)
    if channels == 1:
        return np.repeat(picture.reshape(*shape[:2], 1), 3, axis=2)
    if channels not in (3, 4):
        raise _wrong(picture)
    return picture[..., :3]


def _wrong(picture: np.ndarray) -> ValueError:
    return ValueError(
        f'the picture is an array of {picture.shape} {picture.dtype}; give one of '
        '(H, W, 3) uint8 in BGR, or (H, W) uint8 in grey'
    )
