"""Checks of a data set before training: what would break, mislead or be dropped."""

from collections.abc import Callable

from directpose.pictures import MAX_PIXELS

from .annotations import (
    COCO_METAINFO,
    KEYPOINT_LISTS,
    KeypointAnnotations,
    Person,
    is_finite,
    join_keypoints,
    load_annotations,
    load_coco_json,
    parse_annotations,
    to_array,
)
from .entries import check_fields, check_ids
from .findings import EVALUATION_ONLY, KINDS, LEVELS, DatasetError, Finding, describe
from .images import check_image_file, check_image_files, check_image_paths
from .metainfo import check_categories, check_metainfo
from .people import check_boxes, check_keypoints
from .summary import QUANTILES, summarize
from .usage import check_usage

__all__ = [
    'COCO_METAINFO',
    'EVALUATION_ONLY',
    'KEYPOINT_LISTS',
    'KINDS',
    'LEVELS',
    'QUANTILES',
    'DatasetError',
    'Finding',
    'KeypointAnnotations',
    'Person',
    'check_annotations',
    'check_image_file',
    'describe',
    'find_errors',
    'is_finite',
    'join_keypoints',
    'load_annotations',
    'load_coco_json',
    'parse_annotations',
    'summarize',
    'to_array',
]


def check_annotations(
    data: KeypointAnnotations,
    min_keypoints: int = 10,
    use_area: bool = True,
    decode: bool = True,
    progress: Callable = lambda items, total: items,
    max_pixels: int = MAX_PIXELS,
) -> list[Finding]:
    """Run all checks on a data set.

    Args:
        data (KeypointAnnotations): The data set, see :func:`load_annotations`.
        min_keypoints (int): Labelled keypoints that an image needs for training, as
            ``min_labelled_keypoints`` in the config's ``filter_cfg``. Defaults to 10, the
            paper's.
        use_area (bool): As in the config's ``CocoMetric``. Give False if the data have no areas,
            such as CrowdPose. Defaults to True.
        decode (bool): Decode the images, which finds those that are cut off, and do not only read
            their headers. Defaults to True.
        progress (Callable): Wraps the images while they are read, as
            ``progress(iterable, total=n)``; for example :func:`rich.progress.track`.
        max_pixels (int): An image of more pixels is refused, as by the data set's option of
            this name. Defaults to that of :mod:`directpose.pictures`.

    Returns:
        list[Finding]: Everything found, check by check.
    """
    return [
        *check_metainfo(data),
        *check_categories(data),
        *check_ids(data),
        *check_image_files(data, decode, progress, max_pixels),
        *check_fields(data, use_area),
        *check_keypoints(data),
        *check_boxes(data),
        *check_usage(data, min_keypoints),
    ]


def find_errors(
    data: KeypointAnnotations, evaluated: bool, use_area: bool = True, look_for_files: bool = True
) -> list[Finding]:
    """Find the errors that keep a data set from being used, without opening an image.

    :func:`check_annotations` also finds errors in the image files, see :func:`check_image_file`,
    and warnings and notes.

    Args:
        data (KeypointAnnotations): The data set.
        evaluated (bool): Whether a metric reads the file. If not, errors in fields that
            training does not read do not count.
        use_area (bool): As in the config's ``CocoMetric``. Defaults to True.
        look_for_files (bool): Whether each image file must be there. Defaults to True.

    Returns:
        list[Finding]: The errors, check by check.
    """
    findings = [
        *check_metainfo(data),
        *check_categories(data),
        *check_ids(data),
        *(check_image_paths(data) if look_for_files else ()),
        *check_fields(data, use_area),
        *check_keypoints(data),
    ]
    return [
        found
        for found in findings
        if found.level == 'error' and (evaluated or found.kind not in EVALUATION_ONLY)
    ]
