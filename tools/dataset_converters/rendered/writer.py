"""Rendered people as a COCO data set."""

import os
from collections.abc import Callable
from functools import partial

import numpy as np
from synthetic.coco_files import MIN_SIZE, Maker, check_numbers, write_coco
from synthetic.scene import Picture

from .anatomy import load_anatomy
from .backgrounds import Backgrounds, find_backgrounds

# Raise this number with any change of what is rendered or written. A folder of another version is
# then refused, so that versions do not mix.
_VERSION = 2
_MAKER = Maker(
    'make_rendered_coco.py', 'rendered people', 'rendered.json', 'As the backgrounds of the user'
)


def write_rendered(
    out: str | os.PathLike,
    backgrounds: str | os.PathLike,
    num_train: int,
    num_val: int,
    size: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    workers: int = 1,
) -> dict[str, dict[str, int]]:
    """Write rendered people as a data set in COCO's format and layout.

    The layout is that of ``synthetic.coco_files.write_coco``, with the
    settings in ``rendered.json``. With the same settings and backgrounds, and
    the same versions of the packages, every byte is the same. A picture
    depends on the backgrounds, the size, the seed, the split and its number.

    Args:
        out (str | os.PathLike): The folder. It is made if it does not exist.
        backgrounds (str | os.PathLike): Folder of pictures without people.
        num_train (int): Number of training pictures, at least 1.
        num_val (int): Number of validation pictures, at least 1.
        size (int): Long side of the pictures in pixels, at least 64.
        seed (int): Seed of the pictures, at least 0.
        progress (callable, optional): Called after each picture with the
            number of pictures done and the number of all.
        workers (int): Number of processes. The files are the same with any
            number of them. Defaults to 1.

    Returns:
        dict[str, dict[str, int]]: For each split the number of ``images``,
        ``people`` and ``crowds`` (always 0).

    Raises:
        ValueError: An argument is not a whole number or is too small, or the
            backgrounds cannot be used.
        FileExistsError: The folder holds other files.
        ModuleNotFoundError: A package is missing.
    """
    check_numbers(
        num_train=(num_train, 1),
        num_val=(num_val, 1),
        size=(size, MIN_SIZE),
        seed=(seed, 0),
        workers=(workers, 1),
    )
    paths, digest = find_backgrounds(backgrounds)
    # The body model is built here, before processes would do so side by side.
    load_anatomy()
    settings = dict(
        version=_VERSION,
        num_train=int(num_train),
        num_val=int(num_val),
        size=int(size),
        seed=int(seed),
        backgrounds=digest,
    )
    draw = partial(_draw, int(seed), int(size), paths)
    return write_coco(out, _MAKER, settings, draw, progress, workers)


def _draw(seed: int, size: int, paths: list[str], split: int, index: int) -> Picture:
    # The renderer needs packages that need not be there.
    from .scene import render_picture

    rng = np.random.default_rng([seed, split, index])
    return render_picture(rng, load_anatomy(), Backgrounds(paths), size)
