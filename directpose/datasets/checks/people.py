"""Checks of the annotated people: their keypoints and boxes."""

from collections.abc import Iterator

import numpy as np

from .annotations import KeypointAnnotations, Person
from .findings import Finding, finding


def check_keypoints(data: KeypointAnnotations) -> Iterator[Finding]:
    """Whether keypoints fit the metainfo, the image and their own count."""
    names = data.keypoint_names
    labelled = np.zeros(len(names), dtype=int)
    for person in data.people:
        if person.keypoints is None:
            continue  # check_fields has said so
        count = len(person.keypoints)
        if count == len(names):
            labelled += person.keypoints[:, 2] > 0
            yield from _check_points(person, names)
        else:
            yield finding(
                'keypoint-count',
                person,
                f'has {count} keypoints, {data.metainfo_file} {len(names)}',
            )
            yield from _check_points(person, range(count))
        written = person.ann.get('num_keypoints')
        if written is not None and written != person.num_labelled:
            # CrowdPose counts otherwise, and its own evaluation relies on it.
            visible = int(np.sum(person.keypoints[:, 2] == 2))
            hint = ' (it counts v = 2 only, as CrowdPose does)' if written == visible else ''
            yield finding(
                'num_keypoints',
                person,
                f'num_keypoints is {str(written)[:80]}, but {person.num_labelled} have v > 0{hint}',
            )
    never = [name for name, count in zip(names, labelled, strict=True) if not count]
    if 0 < len(never) < len(names):
        yield finding(
            'keypoint-never-labelled', data.metainfo_file, f'nobody has a {", ".join(never)}'
        )


def _check_points(person: Person, names) -> Iterator[Finding]:
    x, y, v = person.keypoints.T  # (K,) each
    wrong = {'keypoint-visibility': np.isfinite(v) & ~np.isin(v, (0, 1, 2))}
    if person.image_size is not None:
        width, height = person.image_size
        is_outside = (x < 0) | (y < 0) | (x >= width) | (y >= height)
        wrong['keypoint-outside'] = (v > 0) & is_outside
    for kind, mask in wrong.items():
        points = [
            f'{names[k]} ({x[k]:g}, {y[k]:g}), v = {v[k]:g}' for k in np.flatnonzero(mask)
        ]
        if points:
            yield finding(kind, person, '; '.join(points))


def check_boxes(data: KeypointAnnotations, tolerance: float = 1.0) -> Iterator[Finding]:
    """Whether boxes have an extent and lie in the image, up to rounding (pixels)."""
    for person in data.people:
        if person.bbox is None:
            continue  # check_fields has said so
        x, y, w, h = person.bbox
        message = f'bbox is {person.bbox.tolist()}'
        if w <= 0 or h <= 0:
            yield finding('bbox-empty', person, message)
        elif person.image_size is not None:
            width, height = person.image_size
            if max(-x, -y, x + w - width, y + h - height) > tolerance:
                yield finding(
                    'bbox-outside', person, f'{message} in an image of {width} x {height}'
                )
