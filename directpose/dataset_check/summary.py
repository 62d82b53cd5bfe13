"""The figures that tell what a data set is like."""

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as mask_utils

from .annotations import KeypointAnnotations, size_of
from .usage import dropped_because

# The quantiles reported, in percent.
QUANTILES = (5, 25, 50, 75, 95)
# Two people overlap if the IoU of their boxes is larger.
OVERLAP_IOU = 0.3


def summarize(
    data: KeypointAnnotations, min_keypoints: int = 10
) -> dict[str, int | float | list[float]]:
    """Count and measure a data set.

    People are those with a labelled keypoint, without crowd regions.

    Args:
        data (KeypointAnnotations): The data set.
        min_keypoints (int): Labelled keypoints an image needs for training. Defaults to 10.

    Returns:
        dict: Counts; shares from 0 to 1 (``*_share``); lists of the quantiles at
        ``QUANTILES`` (``*_quantiles``, empty where there is nothing to measure). Lengths are
        in original pixels.
    """
    people = [person for person in data.people if person.is_trained]
    visibility = np.concatenate([np.empty(0), *(person.keypoints[:, 2] for person in people)])
    labelled = int(np.sum(visibility > 0))
    sizes = np.array([size_of(image) for image in data.images if size_of(image)])
    people_per_image, boxes_per_image = [], []
    for image in data.images:
        group = [person for person in data.people_of[image['id']] if person.is_trained]
        people_per_image.append(len(group))
        boxes = [person.bbox for person in group if person.bbox is not None]
        boxes = np.array(boxes).reshape(-1, 4)  # (N, 4)
        boxes_per_image.append(boxes[np.isfinite(boxes).all(axis=1)])
    heights = [box[3] for boxes in boxes_per_image for box in boxes]
    overlapping = sum(_count_overlapping(boxes) for boxes in boxes_per_image)
    return {
        'images': len(data.images),
        'images_with_people': int(np.count_nonzero(people_per_image)),
        'images_kept_for_training': sum(
            dropped_because(data, image, min_keypoints) is None for image in data.images
        ),
        'median_image_size': np.median(sizes, axis=0).tolist() if len(sizes) else [],
        'annotations': len(data.people),
        'people': len(people),
        'people_without_keypoints': sum(
            not person.is_crowd and person.num_labelled == 0 for person in data.people
        ),
        'crowd_regions': sum(person.is_crowd for person in data.people),
        'labelled_keypoints': labelled,
        'visible_share': _share(np.sum(visibility == 2), labelled),
        'occluded_share': _share(np.sum(visibility == 1), labelled),
        'keypoints_per_person_quantiles': _quantiles([person.num_labelled for person in people]),
        'person_height_quantiles': _quantiles(heights),
        'people_per_image_quantiles': _quantiles(people_per_image),
        'most_people_in_an_image': max(people_per_image, default=0),
        'overlapping_people_share': _share(overlapping, len(heights)),
    }


def _count_overlapping(boxes: np.ndarray) -> int:
    """How many boxes (x, y, width, height), shape (N, 4), overlap another one."""
    if len(boxes) < 2:
        return 0
    iou = mask_utils.iou(boxes, boxes, [0] * len(boxes))  # (N, N)
    np.fill_diagonal(iou, 0)
    return int(np.sum(iou.max(axis=1) > OVERLAP_IOU))


def _quantiles(values: Sequence[float]) -> list[float]:
    return np.percentile(values, QUANTILES).tolist() if len(values) else []


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0
