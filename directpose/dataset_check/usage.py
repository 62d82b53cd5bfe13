"""Checks of what training and evaluation leave out."""

from collections.abc import Iterator

import numpy as np

from .annotations import KeypointAnnotations, name_of
from .findings import MAX_PEOPLE, Finding, finding

# The recipe's `min_bbox_size`: some person's box is wider and higher than this, in pixels.
MIN_BBOX_SIZE = 1


def check_usage(data: KeypointAnnotations, min_keypoints: int) -> Iterator[Finding]:
    """Which people and images are not trained on, or not scored, by design."""
    for person in data.people:
        if person.is_crowd:
            yield finding('crowd', person, 'is a crowd region')
        elif person.keypoints is not None and person.num_labelled == 0:
            yield finding('no-keypoints', person, 'has no labelled keypoint')
    kept = 0
    for image in data.images:
        dropped = dropped_because(data, image, min_keypoints)
        if dropped is None:
            kept += 1
        else:
            kind, message = dropped
            yield finding(kind, name_of(image), message)
        num_people = sum(person.is_trained for person in data.people_of[image['id']])
        if num_people > MAX_PEOPLE:
            yield finding('many-people', name_of(image), f'has {num_people} people')
    if not kept:
        yield finding(
            'nothing-to-train', 'all images', f'training drops all of the {len(data.images)} images'
        )


def dropped_because(
    data: KeypointAnnotations, image: dict, min_keypoints: int
) -> tuple[str, str] | None:
    """Why training drops an image, as the kind and message of a finding; None if it does not.

    Args:
        data (KeypointAnnotations): The data set.
        image (dict): The entry of one of its images.
        min_keypoints (int): Labelled keypoints that the image's people need together.
    """
    annotated = data.people_of[image['id']]
    if not annotated:
        return 'image-without-annotations', 'has no annotation'
    people = [person for person in annotated if not person.is_crowd]
    labelled = sum(person.num_labelled for person in people)
    if labelled < min_keypoints:
        return 'image-few-keypoints', f'labelled keypoints: {labelled}, fewer than {min_keypoints}'
    boxes = [person.bbox for person in people if person.bbox is not None]
    sizes = [box[2:].min() for box in boxes if np.isfinite(box).all()]
    if max(sizes, default=0) <= MIN_BBOX_SIZE:
        return 'image-small-boxes', f'has no box wider and higher than {MIN_BBOX_SIZE} px'
    return None
