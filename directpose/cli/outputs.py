"""The files that ``directpose predict`` writes besides pictures and videos."""

import csv
import io
import json
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from directpose.runtime import Poses, coco_file

from .file_lock import lock_file

_NO_TEXT = 'backslashreplace'
"""Bytes in a file's name that are not text are written as escapes, as in JSON."""


def _open(path: Path, newline: str | None = None) -> TextIO:
    """Open a file to write that no other run writes. What it holds stays until it is emptied.

    Raises:
        ValueError: If another run writes the file.
    """
    file = path.open('a', encoding='utf-8', errors=_NO_TEXT, newline=newline)
    try:
        free = lock_file(file)
    except OSError:  # a file system without locks
        free = True
    if not free:
        file.close()
        raise ValueError(f'{path}: another run writes this file; choose another --out')
    return file


JPEG_MAX_SIDE = 65_500
"""Pixels. libjpeg writes no picture that is wider or higher."""


def write_jpeg(path: Path, image: np.ndarray) -> None:
    """Write a picture, (H, W, 3) uint8 in BGR.

    Raises:
        OSError: If the disk is full. Pillow itself then writes a part of a JPEG without an error.
    """
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(image[..., ::-1]).save(content, 'JPEG', quality=92)
    path.write_bytes(content.getvalue())


class Output:
    """One kind of results of a run."""

    def start(self) -> None:
        """Empty what an earlier run wrote, after all outputs of this run are open."""

    def write(self, source: str, poses: Poses, frame: int | None, time: float | None) -> None:
        """Add a picture; or a frame, with its number and its time in seconds."""
        raise NotImplementedError

    def close(self) -> None:
        """Write what is left."""


class JSONLines(Output):
    """A line for each picture or frame, written at once.

    Args:
        path (Path): The file to write.
    """

    def __init__(self, path: Path) -> None:
        self._file = _open(path)

    def start(self) -> None:
        self._file.truncate(0)

    def write(self, source: str, poses: Poses, frame: int | None, time: float | None) -> None:
        line: dict[str, Any] = dict(source=source)
        if time is not None:
            line.update(frame=frame, time=round(time, 4))
        self._file.write(json.dumps({**line, **poses.to_dict()}, ensure_ascii=False) + '\n')
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class CSV(Output):
    """A row for each person, written at once. Without a frame or an identity, its field is empty.

    Args:
        path (Path): The file to write.
        keypoint_names (list[str]): Each name has two columns, ``NAME_x`` and ``NAME_y``.
        rates_keypoints (bool): Whether each keypoint has two more columns: ``NAME_score`` and
            ``NAME_hidden``.
    """

    def __init__(self, path: Path, keypoint_names: list[str], rates_keypoints: bool) -> None:
        self._file = _open(path, newline='')
        self._writer = csv.writer(self._file)
        self._rates_keypoints = rates_keypoints
        columns = ('x', 'y', 'score', 'hidden') if rates_keypoints else ('x', 'y')
        points = [f'{name}_{column}' for name in keypoint_names for column in columns]
        self._head = ['source', 'frame', 'time', 'id', 'score', 'x1', 'y1', 'x2', 'y2', *points]

    def start(self) -> None:
        self._file.truncate(0)
        self._writer.writerow(self._head)

    def write(self, source: str, poses: Poses, frame: int | None, time: float | None) -> None:
        place = ('', '') if time is None else (frame, round(time, 4))
        for person in poses.to_dict()['people']:
            points = person['keypoints']
            if self._rates_keypoints:
                ratings = zip(person['keypoint_scores'], person['keypoints_hidden'])
                points = [[*point, *rating] for point, rating in zip(points, ratings)]
            numbers = [number for point in points for number in point]
            self._writer.writerow(
                [source, *place, person.get('id', ''), person['score'], *person['box'], *numbers]
            )
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class COCO(Output):
    """One file in COCO's format for all pictures, written at the end.

    Args:
        path (Path): The file to write.
        names (dict[str, str]): What the file calls each source: its path in the folder of all.
    """

    def __init__(self, path: Path, names: dict[str, str]) -> None:
        self._file, self._names = _open(path), names
        self._pictures: list[tuple[str, Poses]] = []

    def write(self, source: str, poses: Poses, frame: int | None, time: float | None) -> None:
        self._pictures.append((self._names[source], poses))

    def close(self) -> None:
        self._file.truncate(0)
        self._file.write(json.dumps(coco_file(self._pictures)))
        self._file.close()


class YOLO(Output):
    """A label file of YOLO-pose for each picture, which is empty if nobody is found.

    Args:
        folder (Path): Where to write.
        names (dict[str, str]): The name of each source's file, without its ending.
    """

    def __init__(self, folder: Path, names: dict[str, str]) -> None:
        self._folder, self._names = folder, names
        folder.mkdir(exist_ok=True)

    def write(self, source: str, poses: Poses, frame: int | None, time: float | None) -> None:
        path = self._folder / f'{self._names[source]}.txt'
        path.write_text(poses.to_yolo(), encoding='utf-8')
