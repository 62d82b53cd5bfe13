"""COCO's annotations of the people in a rendered picture."""

import cv2
import numpy as np
from synthetic.scene import Person as Annotated

from .body import Body
from .camera import NOBODY, Camera, Hits

# A keypoint lies below the surface. It is visible if the surface that the ray hits is at most this
# far before it, in metres. Shoulders and hips lie deepest.
_BELOW_SURFACE = np.array([0.06] * 5 + [0.17] * 2 + [0.11] * 4 + [0.17] * 2 + [0.11] * 4)

# A person with fewer pixels is not annotated. A person with fewer than the second number, or
# without a visible keypoint, is annotated without keypoints, as in COCO.
_MIN_PIXELS = 27
_MIN_PIXELS_FOR_KEYPOINTS = 150


def annotate(
    bodies: list[Body], hits: Hits, is_covered: np.ndarray, camera: Camera, size: tuple[int, int]
) -> list[Annotated]:
    """Annotate the people who are seen in the written picture.

    Args:
        bodies (list[Body]): The bodies, in the order of ``hits.owner``.
        hits (Hits): What the rays hit, at the fine size that is painted.
        is_covered (np.ndarray): Fine pixels where a thing stands before the
            people. Shape (H, W), bool.
        camera (Camera): The camera of the fine size.
        size (tuple[int, int]): Width and height of the written picture.

    Returns:
        list[synthetic.scene.Person]: The people, in pixels of the written
        picture. Whole numbers are the middles of pixels.
    """
    owner = np.where(is_covered, NOBODY, hits.owner)
    people = []
    for number, body in enumerate(bodies):
        mask = written_mask(owner == number, size)
        if mask.sum() < _MIN_PIXELS:
            continue
        points = camera.project(body.keypoints)
        visibility = see(points, body.keypoints[:, 1], number, owner, hits.depth, is_covered)
        written = points * size / (camera.width, camera.height) - 0.5
        inside = np.all((written >= 0) & (written <= np.array(size) - 1), axis=1)
        visibility[~inside] = 0
        if mask.sum() < _MIN_PIXELS_FOR_KEYPOINTS or not np.any(visibility == 2):
            visibility[:] = 0
        keypoints = np.column_stack((written.round(2), visibility))
        keypoints[visibility == 0] = 0
        people.append(Annotated(mask, keypoints, in_crowd=False))
    return people


def written_mask(is_own: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Find the written pixels of which more than half shows the person.

    Args:
        is_own (np.ndarray): Fine pixels that show the person. (H, W), bool.
        size (tuple[int, int]): Width and height of the written picture.

    Returns:
        np.ndarray: Shape (height, width), bool.
    """
    return cv2.resize(is_own.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5


def see(
    points: np.ndarray,
    depths: np.ndarray,
    number: int,
    owner: np.ndarray,
    depth: np.ndarray,
    is_covered: np.ndarray,
) -> np.ndarray:
    """Decide which keypoints of a person are visible.

    A keypoint is visible if the ray through it hits the person first, close
    before the keypoint. At the rim the ray may just miss everybody. Then the
    keypoint is visible if a neighbouring pixel shows the person.

    Args:
        points (np.ndarray): Columns and rows of the keypoints, (K, 2).
        depths (np.ndarray): Their distances along y in metres, (K, ).
        number (int): The person's number.
        owner (np.ndarray): Number of the person at each pixel, (H, W).
        depth (np.ndarray): Distance of the surface in metres, (H, W).
        is_covered (np.ndarray): Where a thing stands before the people,
            shape (H, W), bool.

    Returns:
        np.ndarray: 2 for visible, 1 for hidden, 0 for outside of the picture.
        Shape (K, ), int.
    """
    height, width = owner.shape
    visibility = np.zeros(len(points), int)
    for k, (column, row) in enumerate(np.floor(points).astype(int)):
        if not (0 <= column < width and 0 <= row < height):
            continue
        if owner[row, column] == number:
            is_seen = depth[row, column] > depths[k] - _BELOW_SURFACE[k]
        else:
            around = owner[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            at_rim = owner[row, column] == NOBODY and not is_covered[row, column]
            is_seen = at_rim and np.any(around == number)
        visibility[k] = 2 if is_seen else 1
    return visibility
