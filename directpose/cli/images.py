"""Pictures that the tools compare models on, draw into and write."""

from pathlib import Path

import cv2
import numpy as np

from directpose.errors import UserError
from directpose.packaged import EXAMPLES
from directpose.pictures import read_picture

_SMALLEST = 640


def example_picture(width: int, height: int, number: int) -> np.ndarray:
    """Make a picture of people from one of the package, which is mirrored where it does not reach.

    Args:
        width (int): Width in pixels.
        height (int): Height in pixels.
        number (int): Which of the package's pictures to take; they are taken in turn.

    Returns:
        np.ndarray: (height, width, 3) uint8, BGR.
    """
    people = read_picture(EXAMPLES[number % len(EXAMPLES)])
    scale = min(width / people.shape[1], height / people.shape[0])
    people = cv2.resize(people, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    missing = [(0, max(side - size, 0)) for side, size in zip((height, width), people.shape)]
    return np.pad(people, [*missing, (0, 0)], mode='symmetric')[:height, :width]


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
