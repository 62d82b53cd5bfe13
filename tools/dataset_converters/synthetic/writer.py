"""Drawn pictures as a COCO data set: JPEG files and annotation files."""

import json
import os
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from multiprocessing.pool import Pool, ThreadPool
from numbers import Integral
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from .figure import KEYPOINT_NAMES
from .scene import MAX_PEOPLE, Picture, draw_picture

SPLITS = ('train2017', 'val2017')
MIN_SIZE = 64

# To be raised with any change of what is drawn or written: a folder of
# another version is then refused instead of mixed.
_VERSION = 1
_SETTINGS_FILE = 'synthetic.json'

# One in so many pictures is crowded, and one in so many has a crowd region;
# at these places, so that the smallest of splits has them too.
_CROWDED_EVERY, _CROWDED_AT = 12, 2
_REGION_EVERY, _REGION_AT = 9, 4

CATEGORY = dict(
    supercategory='person',
    id=1,
    name='person',
    keypoints=list(KEYPOINT_NAMES),
    # Pairs of keypoints, counted from 1.
    skeleton=[
        [16, 14],
        [14, 12],
        [17, 15],
        [15, 13],
        [12, 13],
        [6, 12],
        [7, 13],
        [6, 7],
        [6, 8],
        [7, 9],
        [8, 10],
        [9, 11],
        [2, 3],
        [1, 2],
        [1, 3],
        [2, 4],
        [3, 5],
        [4, 6],
        [5, 7],
    ],
)


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

    The folder then holds ``annotations/person_keypoints_train2017.json`` and
    ``..._val2017.json``, ``train2017/*.jpg``, ``val2017/*.jpg``, and
    ``synthetic.json``, the settings it was made with. With the same
    settings, and the same versions of NumPy and OpenCV, every byte is the
    same. A picture depends on the seed, the split, its number, the size and
    ``max_people`` only: a larger data set begins with the pictures of a
    smaller one.

    Running again over a folder that was made, or half made, with the same
    settings writes it anew. The annotation files come last: where they are,
    the data set is whole.

    Every twelfth picture is crowded (8 to 20 people), every ninth has a
    crowd region, and the others mostly show 1 to 4 people. With a smaller
    ``max_people`` there is neither, and each number up to it is as frequent:
    people are then larger, and easier to learn from. Keypoints are in pixels,
    whole numbers being the middles of pixels.

    Args:
        out (str | os.PathLike): The folder; made where it does not exist.
        num_train (int): Number of training pictures, at least 1.
        num_val (int): Number of validation pictures, at least 1.
        size (int): Long side of the pictures in pixels, at least 64. The
            short side is between 0.6 and 1 of it.
        seed (int): At least 0.
        max_people (int): People in a picture, from 1 to ``MAX_PEOPLE``.
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
        FileExistsError: The folder holds something else.
    """
    for name, value, least in (
        ('num_train', num_train, 1),
        ('num_val', num_val, 1),
        ('size', size, MIN_SIZE),
        ('seed', seed, 0),
        ('max_people', max_people, 1),
        ('workers', workers, 1),
    ):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f'{name} must be a whole number of at least {least}, but is {value!r}')
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
    out = Path(out)
    _claim_folder(out, settings)
    annotation_files = {
        split: out / 'annotations' / f'person_keypoints_{split}.json' for split in SPLITS
    }
    for file in annotation_files.values():
        file.unlink(missing_ok=True)

    counts = dict(zip(SPLITS, (num_train, num_val)))
    contents, done = {}, 0
    with _pool(workers) as pool:
        for split, count in counts.items():
            images, annotations = [], []
            write_one = partial(_write_picture, out, seed, split, size, max_people)
            # In order, so the files do not depend on the number of processes.
            for image, people in pool.imap(write_one, range(count), chunksize=8):
                images.append(image)
                annotations += people
                done += 1
                if progress is not None:
                    progress(done, sum(counts.values()))
            contents[split] = dict(
                info=dict(
                    description=f'Drawn people with keypoints, {split}, seed {seed}, {size} px',
                    version=str(_VERSION),
                    contributor='make_synthetic_coco.py',
                    url='',
                ),
                licenses=[dict(id=1, name='As the program that drew it', url='')],
                images=images,
                annotations=annotations,
                categories=[CATEGORY],
            )
    for split, file in annotation_files.items():
        _write_json(file, contents[split])
    return {
        split: dict(
            images=len(content['images']),
            people=sum(not a['iscrowd'] for a in content['annotations']),
            crowds=sum(a['iscrowd'] for a in content['annotations']),
        )
        for split, content in contents.items()
    }


def mask_to_polygons(mask: np.ndarray) -> list[list[int]]:
    """Outline a mask along the borders of its pixels.

    COCO's polygons know no holes; here a hole is joined to the outline
    around it by a cut of no width, so that the polygons rasterise to exactly
    the mask.

    Args:
        mask (np.ndarray): Shape (H, W), bool.

    Returns:
        list[list[int]]: x, y, x, y, ... in pixels, a pixel reaching from its
        number to the next; one polygon for each piece (8-connected).
    """
    # At twice the size, the middle of each of a pixel's four quarters stands
    # for the corner of the pixel that it touches.
    doubled = np.repeat(np.repeat(mask.astype(np.uint8), 2, 0), 2, 1)
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outlines = {}
    for number in sorted(range(len(contours)), key=lambda n: hierarchy[0, n, 3] >= 0):
        corners = (contours[number][:, 0] + 1) // 2  # (P, 2)
        corners = corners[np.any(corners != np.roll(corners, 1, 0), axis=1)]
        around = hierarchy[0, number, 3]
        if around < 0:
            outlines[number] = corners
            continue
        outline = outlines[around]
        near = np.abs(outline - corners[0]).sum(axis=1).argmin()
        outlines[around] = np.concatenate(
            (outline[: near + 1], corners, corners[:1], outline[near:])
        )
    return [outline.reshape(-1).tolist() for outline in outlines.values()]


def _claim_folder(out: Path, settings: dict) -> None:
    """Make the folder and note the settings, or refuse what is there."""
    settings_file = out / _SETTINGS_FILE
    if out.exists() and not out.is_dir():
        raise FileExistsError(f'{out} is a file; name a folder')
    if settings_file.is_file():
        found = settings_file.read_text()
        if found != _to_json(settings):
            raise FileExistsError(
                f'{out} holds drawn people of other settings ({found}, asked '
                f'for {_to_json(settings)}); remove it or name another '
                'folder'
            )
    elif out.exists() and any(out.iterdir()):
        raise FileExistsError(
            f'{out} is not empty and was not made by this program (it has no '
            f'{_SETTINGS_FILE}); name another folder'
        )
    out.mkdir(parents=True, exist_ok=True)
    _write_json(settings_file, settings)
    for folder in (*SPLITS, 'annotations'):
        (out / folder).mkdir(exist_ok=True)


def _pool(workers: int) -> ThreadPool | Pool:
    """Processes that draw; with one worker a thread, which needs no start."""
    return ThreadPool(1) if workers == 1 else get_context('spawn').Pool(workers)


def _write_picture(
    out: Path, seed: int, split: str, size: int, max_people: int, index: int
) -> tuple[dict, list[dict]]:
    """Draw and write one picture; give its entry in `images` and its annotations."""
    picture = _draw(seed, split, index, size, max_people)
    image = _describe_image(split, index, picture)
    _write_jpeg(out / split / image['file_name'], picture.image)
    return image, _annotate(image['id'], picture)


def _draw(seed: int, split: str, index: int, size: int, max_people: int) -> Picture:
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    if max_people < MAX_PEOPLE:
        return draw_picture(rng, size, int(rng.integers(1, max_people + 1)))
    num_people = None
    if index % _CROWDED_EVERY == _CROWDED_AT:
        num_people = int(rng.integers(8, MAX_PEOPLE + 1))
    return draw_picture(rng, size, num_people, index % _REGION_EVERY == _REGION_AT)


def _describe_image(split: str, index: int, picture: Picture) -> dict:
    # No id occurs in both splits, as in COCO.
    image_id = index * len(SPLITS) + SPLITS.index(split) + 1
    height, width = picture.image.shape[:2]
    return dict(
        license=1,
        file_name=f'{image_id:012}.jpg',
        coco_url='',
        height=height,
        width=width,
        date_captured='',
        flickr_url='',
        id=image_id,
    )


def _annotate(image_id: int, picture: Picture) -> list[dict]:
    """Annotations of a picture: each person, then the crowd region."""
    annotations = []
    crowd = np.zeros(picture.image.shape[:2], bool)
    for person in picture.people:
        if person.in_crowd:
            crowd |= person.mask
            continue
        keypoints = person.keypoints
        annotations.append(
            dict(
                segmentation=mask_to_polygons(person.mask),
                num_keypoints=int(np.count_nonzero(keypoints[:, 2])),
                iscrowd=0,
                keypoints=[number for x, y, v in keypoints.tolist() for number in (x, y, int(v))],
                **_measure(person.mask),
            )
        )
    if crowd.any():
        # Lengths of runs of pixels, column by column; the first is outside.
        pixels = crowd.ravel(order='F')
        changes = np.flatnonzero(np.diff(pixels, prepend=False))
        counts = np.diff(changes, prepend=0, append=pixels.size)
        annotations.append(
            dict(
                segmentation=dict(counts=counts.tolist(), size=list(crowd.shape)),
                num_keypoints=0,
                iscrowd=1,
                keypoints=[0, 0, 0] * len(KEYPOINT_NAMES),
                **_measure(crowd),
            )
        )
    for number, annotation in enumerate(annotations):
        annotation.update(
            image_id=image_id, category_id=CATEGORY['id'], id=image_id * (MAX_PEOPLE + 1) + number
        )
    return annotations


def _measure(mask: np.ndarray) -> dict:
    """Area in pixels and box (x, y, width, height) of a mask."""
    rle = mask_utils.encode(np.asfortranarray(mask, np.uint8))
    return dict(area=int(mask_utils.area(rle)), bbox=mask_utils.toBbox(rle).tolist())


def _write_jpeg(file: Path, image: np.ndarray) -> None:
    done, data = cv2.imencode('.jpg', image, (cv2.IMWRITE_JPEG_QUALITY, 92))
    if not done:
        raise OSError(f'OpenCV could not encode {file}')
    file.write_bytes(data.tobytes())


def _write_json(file: Path, content: dict) -> None:
    """Write a file in one step: it is whole or not there."""
    part = file.with_name(file.name + '.part')
    part.write_text(_to_json(content))
    os.replace(part, file)


def _to_json(content: dict) -> str:
    return json.dumps(content, separators=(',', ':'))
