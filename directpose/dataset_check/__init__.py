"""What would break, mislead or drop data, found before training."""

from collections.abc import Callable

from .annotations import COCO_METAINFO, KeypointAnnotations, load_annotations, load_coco_json
from .entries import check_fields, check_ids
from .findings import KINDS, Finding
from .images import check_image_files
from .metainfo import check_categories, check_metainfo
from .people import check_boxes, check_keypoints
from .summary import QUANTILES, summarize
from .usage import check_usage

__all__ = [
    'COCO_METAINFO',
    'KINDS',
    'QUANTILES',
    'Finding',
    'check_annotations',
    'load_annotations',
    'load_coco_json',
    'summarize',
]


def check_annotations(
    data: KeypointAnnotations,
    min_keypoints: int = 10,
    use_area: bool = True,
    decode: bool = True,
    progress: Callable = lambda items, total: items,
) -> list[Finding]:
    """Run all checks on a data set.

    Args:
        data (KeypointAnnotations): The data set, see :func:`load_annotations`.
        min_keypoints (int): Labelled keypoints an image needs for training, as
            ``min_labelled_keypoints`` in the config's ``filter_cfg``. Defaults to 10, the
            paper's.
        use_area (bool): As in the config's ``CocoMetric``; False where the data have no areas,
            as CrowdPose. Defaults to True.
        decode (bool): Decode the images whole, which finds those cut off, instead of reading
            their headers only. Defaults to True.
        progress (Callable): Wraps the images while they are read, as
            ``progress(iterable, total=n)``; for example :func:`rich.progress.track`.

    Returns:
        list[Finding]: Everything found, check by check.
    """
    return [
        *check_metainfo(data),
        *check_categories(data),
        *check_ids(data),
        *check_image_files(data, decode, progress),
        *check_fields(data, use_area),
        *check_keypoints(data),
        *check_boxes(data),
        *check_usage(data, min_keypoints),
    ]
