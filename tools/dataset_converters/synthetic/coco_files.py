"""Pictures of people as a COCO data set: JPEG files and annotation files."""

import json
import os
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from numbers import Integral
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from .figure import KEYPOINT_NAMES
from .scene import MAX_PEOPLE, Picture

SPLITS = ('train2017', 'val2017')
MIN_SIZE = 64

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


@dataclass(frozen=True)
class Maker:
    """The program that makes a data set.

    Attributes:
        program (str): Name of the command line's file.
        people (str): What the people are, for example 'drawn people'.
        settings_file (str): File in the data set's folder that holds the
            settings.
        license (str): The licence of the pictures in the annotation files.
    """

    program: str
    people: str
    settings_file: str
    license: str


def check_numbers(**numbers: tuple[int, int]) -> None:
    """Refuse arguments that are not whole numbers or too small.

    Args:
        **numbers (tuple[int, int]): For each name its value and the least
            value that is allowed.

    Raises:
        ValueError: If one is wrong. The message names the argument.
    """
    for name, (value, least) in numbers.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f'{name} must be a whole number of at least {least}, but is {value!r}')


def write_coco(
    out: str | os.PathLike,
    maker: Maker,
    settings: dict,
    draw: Callable[[int, int], Picture],
    progress: Callable[[int, int], None] | None = None,
    workers: int = 1,
) -> dict[str, dict[str, int]]:
    """Write pictures of people as a data set in COCO's format and layout.

    The folder then holds ``annotations/person_keypoints_train2017.json`` and
    ``..._val2017.json``, ``train2017/*.jpg``, ``val2017/*.jpg``, and the
    settings. If the folder was made, or half made, with the same settings, it
    is written again. The annotation files are written last: if they are there,
    the data set is whole.

    Args:
        out (str | os.PathLike): The folder. It is made if it does not exist.
        maker (Maker): The program, for the annotation files and errors.
        settings (dict): All that the pictures depend on. It must have
            ``version``, ``num_train``, ``num_val``, ``size`` and ``seed``.
        draw (callable): Makes a picture from the index of its split in
            ``SPLITS`` and its number in the split. It is pickled if there
            are several workers.
        progress (callable, optional): Called after each picture with the
            number of pictures done and the number of all.
        workers (int): Number of processes. Defaults to 1.

    Returns:
        dict[str, dict[str, int]]: For each split the number of ``images``,
        ``people`` (annotated alone) and ``crowds``.

    Raises:
        FileExistsError: The folder holds other files.
        BrokenProcessPool: One of the processes was killed, as where memory is
            short.
    """
    out = Path(out)
    _claim_folder(out, maker, settings)
    annotation_files = {
        split: out / 'annotations' / f'person_keypoints_{split}.json' for split in SPLITS
    }
    for file in annotation_files.values():
        file.unlink(missing_ok=True)

    counts = dict(zip(SPLITS, (settings['num_train'], settings['num_val'])))
    contents, done = {}, 0
    with _pool(workers) as pool:
        for split, count in counts.items():
            images, annotations = [], []
            write_one = partial(_write_picture, out, draw, split)
            # In order, so the files do not depend on the number of processes.
            for image, people in pool.map(write_one, range(count), chunksize=8):
                images.append(image)
                annotations += people
                done += 1
                if progress is not None:
                    progress(done, sum(counts.values()))
            contents[split] = dict(
                info=dict(
                    description=f'{maker.people.capitalize()} with keypoints, {split}, '
                    f'seed {settings["seed"]}, {settings["size"]} px',
                    version=str(settings['version']),
                    contributor=maker.program,
                    url='',
                ),
                licenses=[dict(id=1, name=maker.license, url='')],
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

    COCO's polygons have no holes. So a hole is joined to the outline around it
    by a cut of no width, and the polygons rasterise to exactly the mask.

    Args:
        mask (np.ndarray): Shape (H, W), bool.

    Returns:
        list[list[int]]: One polygon for each piece (8-connected), as x, y, x, y,
        ... in pixels. A pixel reaches from its number to the next.
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


def _claim_folder(out: Path, maker: Maker, settings: dict) -> None:
    """Make the folder and note the settings, or refuse what is there."""
    settings_file = out / maker.settings_file
    if out.exists() and not out.is_dir():
        raise FileExistsError(f'{out} is a file; name a folder')
    if settings_file.is_file():
        found = settings_file.read_text()
        if found != _to_json(settings):
            raise FileExistsError(
                f'{out} holds {maker.people} of other settings ({found}, not '
                f'{_to_json(settings)}); remove the folder, or name another'
            )
    elif out.exists() and any(out.iterdir()):
        raise FileExistsError(
            f'{out} is not empty and was not made by this program (it has no '
            f'{maker.settings_file}); name another folder'
        )
    out.mkdir(parents=True, exist_ok=True)
    _write_json(settings_file, settings)
    for folder in (*SPLITS, 'annotations'):
        (out / folder).mkdir(exist_ok=True)


def _pool(workers: int) -> Executor:
    """Processes that draw; with one worker a thread, which needs no start.

    If a process is killed, ``multiprocessing.Pool`` would wait for its work for ever.
    """
    if workers == 1:
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(workers, mp_context=get_context('spawn'))


def _write_picture(
    out: Path, draw: Callable[[int, int], Picture], split: str, index: int
) -> tuple[dict, list[dict]]:
    """Make and write one picture; give its entry in `images` and its annotations."""
    picture = draw(SPLITS.index(split), index)
    image = _describe_image(split, index, picture)
    _write_jpeg(out / split / image['file_name'], picture)
    return image, _annotate(image['id'], picture)


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


def _write_jpeg(file: Path, picture: Picture) -> None:
    quality = (cv2.IMWRITE_JPEG_QUALITY, picture.jpeg_quality)
    done, data = cv2.imencode('.jpg', picture.image, quality)
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
