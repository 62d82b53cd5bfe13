"""Checks of the file's entries: their ids and fields."""

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from .annotations import KeypointAnnotations, is_finite, name_of, to_array
from .findings import Finding, finding

# What happens without each field that COCO demands.
_CONSEQUENCES = {
    'bbox': 'MMPose drops the annotation silently',
    'keypoints': 'MMPose drops the annotation silently',
    'area': 'the evaluation stops with a KeyError',
    'iscrowd': "COCO's own evaluation stops with a KeyError, MMPose assumes 0",
    'num_keypoints': "COCO's own evaluation stops with a KeyError, MMPose guesses",
}


def check_ids(data: KeypointAnnotations) -> Iterator[Finding]:
    """Whether ids and file names are unique, and refer to something."""
    images = defaultdict(list)
    for image in data.images:
        images[image['id']].append(image)
    for same in images.values():
        if len(same) > 1:
            yield finding(
                'duplicate-image-id',
                ', '.join(map(name_of, same)),
                f'{len(same)} images have this id: the last replaces the others',
            )
    for name, count in Counter(str(image.get('file_name')) for image in data.images).items():
        if count > 1:
            yield finding('duplicate-file-name', name, f'{count} images have this file')
    people = defaultdict(list)
    for person in data.people:
        people[person.ann['id']].append(person)
        if person.ann['id'] < 1:
            yield finding(
                'annotation-id',
                person,
                'COCO tools use ids below 1 for "not matched": this person may count as missed',
            )
        if person.image is None:
            yield finding(
                'image-unknown',
                person,
                'image_id is not in `images`: the annotation is neither trained on nor scored',
            )
    for same in people.values():
        if len(same) > 1:
            yield finding(
                'duplicate-annotation-id',
                ', '.join(map(str, same)),
                f'{len(same)} annotations have this id: the last replaces the others',
            )


def check_fields(data: KeypointAnnotations, use_area: bool) -> Iterator[Finding]:
    """Whether annotations have the fields that COCO demands, as finite numbers."""
    for person in data.people:
        for name, consequence in _CONSEQUENCES.items():
            if person.ann.get(name) is None and (use_area or name != 'area'):
                yield finding(f'missing-{name}', person, f'has no {name}: {consequence}')
        for name in ('bbox', *data.keypoint_fields):
            written = person.ann.get(name)
            array = to_array(written, (4,) if name == 'bbox' else (-1, 3))
            if array is None and written is not None:
                yield finding('malformed', person, f'{name} is {str(written)[:80]}')
            elif array is not None and not is_usable(array):
                yield finding('not-a-number', person, f'{name} holds {_not_usable(written, array)}')
        iscrowd, area = person.ann.get('iscrowd'), person.ann.get('area')
        if iscrowd not in (None, 0, 1):
            yield finding('malformed', person, f'iscrowd is {str(iscrowd)[:80]!r}')
        if not use_area or area is None:
            continue
        if not is_finite(area):
            yield finding('area', person, f'area is {str(area)[:80]!r}')
        elif area <= 0:
            yield finding('area-empty', person, f'area is {area}')


def is_usable(array: np.ndarray) -> bool:
    """Whether the numbers of a box, (4, ), or of keypoints, (K, 3), are finite.

    The place of a keypoint that is not labelled is not read.
    """
    if np.isfinite(array).all():
        return True
    return array.ndim == 2 and bool(np.isfinite(array[array[:, 2] != 0]).all())


def _not_usable(written: list, array: np.ndarray) -> str:
    """The first number of a field that is not finite, as text."""
    if array.ndim == 2:
        array = np.where(array[:, 2:] != 0, array, 0)
    first = np.flatnonzero(~np.isfinite(array.ravel()))[0]
    return f'{str(written[first])[:20]}, which is not a place in a picture'
