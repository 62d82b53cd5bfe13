"""Drawn people as a COCO data set."""

import os
from collections.abc import Callable
from functools import partial

import numpy as np

from .coco_files import MIN_SIZE, Maker, check_numbers, write_coco
from .scene import MAX_PEOPLE, Picture, draw_picture

# Raise this number with any change of what is drawn or written. A folder of another version is
# then refused, so that versions do not mix.
_VERSION = 1
_MAKER = Maker(
    'make_synthetic_coco.py', 'drawn people', 'synthetic.json', 'As the program that drew it'
)

# Every 12th picture is crowded, and every 9th has a crowd region. They start with the pictures 2
# and 4, so that a small split has them too.
_CROWDED_EVERY, _CROWDED_AT = 12, 2
_REGION_EVERY, _REGION_AT = 9, 4


def write_dataset(
    out: str | os.PathLike,
    num_train: int,
    num_val: int,
    size: int,
    seed: int,
    max_people: int = MAX_PEOPLE,
    progress: Callable[[int, int], None] | None = None,
    workers: int = 1,
) -> dict[str, dict[str, int]]:
    """Write drawn people as a data set in COCO's format and layout.

    The layout is that of ``coco_files.write_coco``, with the settings in
    ``synthetic.json``. With the same settings, and the same versions of NumPy
    and OpenCV, every byte is the same. A picture depends only on the seed,
    the split, its number, the size and ``max_people``. So a larger data set
    begins with the pictures of a smaller one.

    Every twelfth picture is crowded (8 to 20 people), every ninth has a
    crowd region, and the others mostly show 1 to 4 people. With a smaller
    ``max_people`` there are no crowds, and each number up to ``max_people`` is
    equally frequent: people are then larger, and easier to learn from.
    Keypoints are in pixels. Whole numbers are the middles of pixels.

    Args:
        out (str | os.PathLike): The folder. It is made if it does not exist.
        num_train (int): Number of training pictures, at least 1.
        num_val (int): Number of validation pictures, at least 1.
        size (int): Long side of the pictures in pixels, at least 64. The
            short side is between 0.6 and 1 of it.
        seed (int): Seed of the pictures, at least 0.
        max_people (int): Most people in a picture, from 1 to ``MAX_PEOPLE``.
            Defaults to ``MAX_PEOPLE``.
        progress (callable, optional): Called after each picture with the
            number of pictures done and the number of all.
        workers (int): Number of processes that draw. The files are the same
            with any number. Defaults to 1.

    Returns:
        dict[str, dict[str, int]]: For each split the number of ``images``,
        ``people`` (annotated alone) and ``crowds``.

    Raises:
        ValueError: An argument is not a whole number or is too small.
        FileExistsError: The folder holds other files.
    """
    check_numbers(
        num_train=(num_train, 1),
        num_val=(num_val, 1),
        size=(size, MIN_SIZE),
        seed=(seed, 0),
        max_people=(max_people, 1),
        workers=(workers, 1),
    )
    if max_people > MAX_PEOPLE:
        raise ValueError(f'max_people must be at most {MAX_PEOPLE}, but is {max_people}')
    settings = dict(
        version=_VERSION,
        num_train=int(num_train),
        num_val=int(num_val),
        size=int(size),
        seed=int(seed),
        max_people=int(max_people),
    )
    draw = partial(_draw, seed, size, max_people)
    return write_coco(out, _MAKER, settings, draw, progress, workers)


def _draw(seed: int, size: int, max_people: int, split: int, index: int) -> Picture:
    rng = np.random.default_rng([seed, split, index])
    if max_people < MAX_PEOPLE:
        return draw_picture(rng, size, int(rng.integers(1, max_people + 1)))
    num_people = None
    if index % _CROWDED_EVERY == _CROWDED_AT:
        num_people = int(rng.integers(8, MAX_PEOPLE + 1))
    return draw_picture(rng, size, num_people, index % _REGION_EVERY == _REGION_AT)
