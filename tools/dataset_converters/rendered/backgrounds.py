"""Pieces of your own pictures, to put behind people and on their clothes."""

import hashlib
import os
import sys
from functools import lru_cache

import cv2
import numpy as np

from directpose.pictures import find_pictures, read_picture, read_size

# Larger pictures are reduced to this long side, in pixels.
_LONG_SIDE = 1100


def find_backgrounds(folder: str | os.PathLike) -> tuple[list[str], str]:
    """List the pictures of a folder. Each of them must begin like a picture file.

    Other entries of the folder are named on the error stream, and left out.

    Args:
        folder (str | os.PathLike): The folder.

    Returns:
        tuple[list[str], str]: The paths, in the order of their names, and a
        digest of the contents of the files.

    Raises:
        ValueError: There is no such folder, it has no picture, or a file with
            the ending of a picture is none.
    """
    if not os.path.isdir(folder):
        raise ValueError(f'--backgrounds: {os.fspath(folder)} is not a folder')
    paths, others = find_pictures(folder)
    for name in others:
        print(f'skipped: {os.path.join(folder, name)} is not a picture', file=sys.stderr)
    if not paths:
        raise ValueError(
            f'--backgrounds: {os.fspath(folder)} holds no picture; '
            'put pictures into it that show no people'
        )
    digest = hashlib.sha256()
    for path in paths:
        read_size(path)
        with open(path, 'rb') as file:
            digest.update(hashlib.file_digest(file, 'sha256').digest())
    return paths, digest.hexdigest()


class Backgrounds:
    """Pictures from which pieces are taken.

    Args:
        paths (list[str]): The files.
    """

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def sample(self, rng: np.random.Generator, width: int, height: int) -> np.ndarray:
        """Cut a piece out of a picture, and sometimes change its colours.

        Args:
            rng (np.random.Generator): Source of chance.
            width (int): Width of the result in pixels.
            height (int): Height of the result in pixels.

        Returns:
            np.ndarray: BGR, 0 to about 330. Shape (height, width, 3),
            float32.
        """
        picture = _read(self.paths[rng.integers(len(self.paths))])
        rows, columns = picture.shape[:2]
        scale = np.exp(rng.uniform(np.log(0.35), 0)) * min(columns / width, rows / height)
        cut_width = int(np.clip(width * scale, 1, columns))
        cut_height = int(np.clip(height * scale, 1, rows))
        left = rng.integers(0, columns - cut_width + 1)
        top = rng.integers(0, rows - cut_height + 1)
        piece = picture[top : top + cut_height, left : left + cut_width]
        method = cv2.INTER_AREA if cut_width > width else cv2.INTER_LINEAR
        piece = cv2.resize(piece, (width, height), interpolation=method).astype(np.float32)
        if rng.random() < 0.5:
            piece = piece[:, ::-1]
        if rng.random() < 0.4:
            piece = piece * rng.uniform(0.7, 1.3, 3).astype(np.float32)
        if rng.random() < 0.05:
            piece = np.repeat(piece.mean(axis=2, keepdims=True), 3, axis=2)
        return piece


@lru_cache(maxsize=200)
def _read(path: str) -> np.ndarray:
    """Read a picture, at most ``_LONG_SIDE`` large. BGR, shape (H, W, 3), uint8."""
    picture = read_picture(path)
    scale = _LONG_SIDE / max(picture.shape[:2])
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return picture
