"""Pictures that the tools draw into and write."""

from pathlib import Path

import cv2
import numpy as np

from directpose.errors import UserError

_SMALLEST = 640


def enlarge(image: np.ndarray) -> np.ndarray:
    """Enlarge a small picture, so that lines and dots have room.

    Args:
        image (np.ndarray): (H, W, 3) uint8.

    Returns:
        np.ndarray: The picture, larger by a whole factor if its longer side was much shorter than
        640 pixels.
    """
    zoom = max(1, round(_SMALLEST / max(image.shape[:2])))
    return cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write a picture, (H, W, 3) uint8 in BGR, in the format that its name ends with.

    Raises:
        UserError: If the file cannot be written, or if its format has no pictures of this size.
            ``cv2.imwrite`` says nothing about a full disk.
    """
    path = Path(path)
    done, content = cv2.imencode(path.suffix, image)
    if not done:
        height, width = image.shape[:2]
        raise UserError(
            f'{path}: cannot be written, because its format has no pictures of {width} x {height} '
            'pixels; make a smaller one'
        )
    try:
        path.write_bytes(content.tobytes())
    except OSError as error:
        raise UserError(f'{path}: cannot be written: {error.strerror}') from error
