"""COCO keypoint annotations, read for inspection.

MMPose's ``CocoDataset`` trusts its file: it stops at the first oddity, or drops what it cannot
use. Here every entry is kept as it was written, so that a message can say what is wrong with the
entry. All coordinates are original pixels.
"""

import json
import math
import os.path as osp
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import mmpose
import numpy as np
from mmengine import fileio
from mmengine.utils import is_list_of

from directpose.metainfo import read_metainfo

from .findings import DatasetError

KEYPOINT_LISTS = dict(keypoints=17, foot_kpts=6, face_kpts=68, lefthand_kpts=21, righthand_kpts=21)
"""COCO-WholeBody's lists in the order of its metainfo, and the number of keypoints in each."""

MAX_COORDINATE = 1e6
"""Coordinates and lengths (pixels) beyond this are not places in a picture."""

COCO_METAINFO = osp.join(
    osp.dirname(mmpose.__file__), '.mim', 'configs', '_base_', 'datasets', 'coco.py'
)

# Without these, entries cannot be told apart, nor named in a message.
_REQUIRED_IDS = {
    'images': ('id',),
    'annotations': ('id', 'image_id', 'category_id'),
    'categories': ('id',),
}


@dataclass(frozen=True)
class Person:
    """One annotated instance: a person, an animal or another thing.

    Attributes:
        ann (dict): The entry of the file, untouched.
        image (dict, optional): The entry of its image; None if the file has no such image.
        bbox (np.ndarray, optional): x, y, width, height in original pixels, shape (4,); None
            if the entry has no four numbers. They may be NaN.
        keypoints (np.ndarray, optional): x, y in original pixels and the visibility v, shape
            (K, 3), where K is that of the file; None if the entry has no such numbers. They may be
            NaN. If a person has several lists of keypoints, they are joined.
    """

    ann: dict
    image: dict | None
    bbox: np.ndarray | None
    keypoints: np.ndarray | None

    @cached_property
    def num_labelled(self) -> int:
        """Number of keypoints with v > 0, whatever ``num_keypoints`` says."""
        return 0 if self.keypoints is None else int(np.sum(self.keypoints[:, 2] > 0))

    @property
    def is_crowd(self) -> bool:
        return bool(self.ann.get('iscrowd'))

    @property
    def is_trained(self) -> bool:
        """Crowd regions and people without a labelled keypoint teach nothing."""
        return not self.is_crowd and self.num_labelled > 0

    @property
    def image_size(self) -> tuple[float, float] | None:
        return self.image and size_of(self.image)

    def __str__(self) -> str:
        image = f'image {self.ann["image_id"]}' if self.image is None else name_of(self.image)
        return f'annotation {self.ann["id"]} of {image}'


@dataclass(frozen=True)
class KeypointAnnotations:
    """A COCO keypoint file, the folder of its images and the metainfo it must fit.

    Attributes:
        img_dir (str): The folder that ``file_name`` is relative to.
        metainfo_file (str): Where ``metainfo`` was read.
        metainfo (dict): As parsed by MMPose's ``parse_pose_metainfo``.
        images (list[dict]): Entries of the file, untouched.
        categories (list[dict]): Entries of the file, untouched.
        people (list[Person]): The annotations of the file, in its order.
        keypoint_fields (tuple[str, ...]): The fields of an annotation that hold its keypoints,
            in the order of the metainfo.
    """

    img_dir: str
    metainfo_file: str
    metainfo: dict
    images: list[dict]
    categories: list[dict]
    people: list[Person]
    keypoint_fields: tuple[str, ...]

    @property
    def keypoint_names(self) -> list[str]:
        return list(self.metainfo['keypoint_id2name'].values())

    @cached_property
    def people_of(self) -> dict[int, list[Person]]:
        """The people by image id; an image without people gives an empty list."""
        people_of = defaultdict(list)
        for person in self.people:
            people_of[person.ann['image_id']].append(person)
        return people_of


def size_of(image: dict) -> tuple[float, float] | None:
    """Width and height as written in the file; None if they are not lengths."""
    size = image.get('width'), image.get('height')
    return size if all(is_finite(length) and length > 0 for length in size) else None


def is_finite(value: object) -> bool:
    """Whether a value of the file is a number, neither NaN nor beyond the area of a picture."""
    return type(value) in (int, float) and abs(value) <= MAX_COORDINATE**2


def name_of(image: dict) -> str:
    return f'image {image["id"]} ({str(image.get("file_name"))[:300]})'


def load_annotations(
    ann_file: str, img_dir: str, metainfo_file: str = COCO_METAINFO
) -> KeypointAnnotations:
    """Read a COCO keypoint file without judging its content.

    Args:
        ann_file (str): The JSON file.
        img_dir (str): The folder of its images; not looked into yet.
        metainfo_file (str): A metainfo file of MMPose, or the name of one of MMPose's own
            (``'crowdpose.py'``), which MMPose looks up itself. Defaults to COCO's.

    Returns:
        KeypointAnnotations: The content of the file.

    Raises:
        OSError: If one of the files cannot be opened.
        DatasetError: If ``ann_file`` is not JSON or not a COCO file, or if ``img_dir`` is not a
            folder.
        UserError: If ``metainfo_file`` is not there, or holds no metainfo.
    """
    metainfo = read_metainfo({'from_file': metainfo_file})
    data = load_coco_json(ann_file)
    if not osp.isdir(img_dir):
        raise DatasetError(
            f'{img_dir} is not a folder; give the one that file_name in {ann_file} is relative to.'
        )
    return parse_annotations(data, img_dir, metainfo, metainfo_file)


def parse_annotations(
    data: dict, img_dir: str, metainfo: dict, metainfo_file: str
) -> KeypointAnnotations:
    """Sort the content of a COCO keypoint file, without judging it.

    Args:
        data (dict): What :func:`load_coco_json` returns.
        img_dir (str): The folder of its images.
        metainfo (dict): As parsed by MMPose's ``parse_pose_metainfo``.
        metainfo_file (str): What messages call the metainfo.

    Returns:
        KeypointAnnotations: The content of the file.
    """
    fields = ('keypoints',)
    if len(metainfo['keypoint_id2name']) == sum(KEYPOINT_LISTS.values()):
        fields = tuple(KEYPOINT_LISTS)  # COCO-WholeBody, or all of them in the first list
    images = {image['id']: image for image in data['images']}
    people = [
        Person(
            ann=ann,
            image=images.get(ann['image_id']),
            bbox=to_array(ann.get('bbox'), (4,)),
            keypoints=_read_keypoints(ann, fields),
        )
        for ann in data['annotations']
    ]
    return KeypointAnnotations(
        img_dir, metainfo_file, metainfo, data['images'], data['categories'], people, fields
    )


def join_keypoints(ann: dict) -> list[float]:
    """All keypoints of COCO-WholeBody: body, feet, face, left and right hand, in this order.

    Args:
        ann (dict): As it stands in the file; a list that lacks or is null counts as empty.

    Returns:
        list[float]: x1, y1, v1, x2, ... in original pixels.
    """
    return [number for name in KEYPOINT_LISTS for number in ann.get(name) or ()]


def _read_keypoints(ann: dict, fields: tuple[str, ...]) -> np.ndarray | None:
    """The keypoints of all fields, (K, 3); None if there are none, or one is not as it should."""
    written = [ann[name] for name in fields if ann.get(name) is not None]
    arrays = [to_array(values, (-1, 3)) for values in written]
    if not arrays or any(array is None for array in arrays):
        return None
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def load_coco_json(ann_file: str, annotated: bool = True) -> dict:
    """The content of a COCO file, which has all lists and ids.

    Args:
        ann_file (str): The JSON file.
        annotated (bool): False takes a file without ``annotations``, as COCO's test-dev has it.
            Defaults to True.

    Returns:
        dict: Its content, untouched: ``images``, ``annotations`` and ``categories`` are lists of
        dicts, and their ids integers. Nothing else is checked.

    Raises:
        OSError: If the file cannot be opened.
        DatasetError: If it is not JSON or not a COCO file.
    """
    if osp.isdir(ann_file):
        raise DatasetError(f'{ann_file} is a folder, not an annotation file')
    content = fileio.get(ann_file)
    try:
        data = json.loads(content.decode('utf-8-sig'))  # with or without a byte order mark
    except RecursionError:
        raise DatasetError(
            f'{ann_file} is not a COCO annotation file: it is nested too deep.'
        ) from None
    except ValueError as error:  # not JSON, or not even text
        raise DatasetError(
            f'{ann_file} is not a JSON file ({error}). Is it complete? Download or write it again.'
        ) from error
    if not isinstance(data, dict):
        raise DatasetError(
            f'{ann_file} is not a COCO annotation file: it holds a {type(data).__name__}, not a '
            'dict of images, annotations and categories. (A list is a file of results.)'
        )
    if not annotated:
        data.setdefault('annotations', [])
    for key, id_fields in _REQUIRED_IDS.items():
        if not is_list_of(data.get(key), dict):
            raise DatasetError(
                f'{ann_file} is not a COCO annotation file: it needs "{key}", a list of dicts.'
            )
        for index, entry in enumerate(data[key]):
            for field in id_fields:
                number = entry.get(field)
                if type(number) is not int or abs(number) >= 2**63:  # a bool is an int, too
                    raise DatasetError(
                        f'{ann_file}: {key}[{index}] has {field} = {number!r:.80}. Ids '
                        'must be integers (of 64 bits): number the entries, and correct what '
                        'refers to them.'
                    )
    return data


def to_array(values: object, shape: tuple[int, ...]) -> np.ndarray | None:
    """A flat list of numbers in the given shape; None if it is anything else.

    A number beyond ``MAX_COORDINATE`` becomes infinite: no picture has such a place.
    """
    if not isinstance(values, list) or not set(map(type, values)) <= {int, float}:
        return None
    values = [v if -MAX_COORDINATE <= v <= MAX_COORDINATE else _beyond(v) for v in values]
    try:
        return np.array(values, dtype=np.float64).reshape(shape)
    except ValueError:
        return None


def _beyond(value: float) -> float:
    if value != value:  # not math.isnan, which takes no whole number beyond a float
        return value
    return math.inf if value > 0 else -math.inf
