"""Checks of the annotated people: their keypoints and boxes."""

from collections.abc import Iterator, Sequence

import numpy as np

from .annotations import KeypointAnnotations, Person, to_array
from .findings import Finding, finding


def check_keypoints(data: KeypointAnnotations) -> Iterator[Finding]:
    """Whether keypoints fit the metainfo, the image and their own count."""
    names = data.keypoint_names
    labelled = np.zeros(len(names), dtype=int)
    for person in data.people:
        if person.keypoints is None:
            continue  # check_fields has said so
        # COCO-WholeBody counts those of the body alone, and rates others by fractions.
        body = to_array(person.ann.get('keypoints') or [], (-1, 3))
        count = len(person.keypoints)
        if count == len(names):
            labelled += person.keypoints[:, 2] > 0
            yield from _check_points(person, names, len(body))
        else:
            counts = [
                f'{name} {len(person.ann.get(name) or ()) // 3}' for name in data.keypoint_fields
            ]
            parts = f' ({", ".join(counts)})' if len(counts) > 1 else ''
            yield finding(
                'keypoint-count',
                person,
                f'has {count} keypoints{parts}, {data.metainfo_file} {len(names)}',
            )
            yield from _check_points(person, range(count), len(body))
        written, num_body = person.ann.get('num_keypoints'), int(np.sum(body[:, 2] > 0))
        if written is not None and written != num_body:
            # CrowdPose counts otherwise, and its own evaluation relies on it.
            visible = int(np.sum(body[:, 2] == 2))
            hint = ' (it counts v = 2 only, as CrowdPose does)' if written == visible else ''
            whose = ' body keypoints' if len(body) < count else ''
            yield finding(
                'num_keypoints',
                person,
                f'num_keypoints is {str(written)[:80]}, but {num_body}{whose} have v > 0{hint}',
            )
    never = [name for name, count in zip(names, labelled, strict=True) if not count]
    if 0 < len(never) < len(names):
        yield finding(
            'keypoint-never-labelled', data.metainfo_file, f'nobody has a {", ".join(never)}'
        )


def _check_points(person: Person, names: Sequence, num_body: int) -> Iterator[Finding]:
    """Check single keypoints, of which the first ``num_body`` have whole visibilities."""
    x, y, v = person.keypoints.T  # (K,) each
    is_allowed = np.isin(v, (0, 1, 2))
    is_allowed[num_body:] = (v[num_body:] >= 0) & (v[num_body:] <= 2)
    wrong = {'keypoint-visibility': np.isfinite(v) & ~is_allowed}
    if person.image_size is not None:
        width, height = person.image_size
        is_outside = (x < 0) | (y < 0) | (x >= width) | (y >= height)
        wrong['keypoint-outside'] = (v > 0) & is_outside & np.isfinite(x + y)
    for kind, mask in wrong.items():
        points = [f'{names[k]} ({x[k]:g}, {y[k]:g}), v = {v[k]:g}' for k in np.flatnonzero(mask)]
        if points:
            yield finding(kind, person, '; '.join(points))


def check_boxes(data: KeypointAnnotations, tolerance: float = 1.0) -> Iterator[Finding]:
    """Whether boxes have an extent and lie in the image, up to rounding (pixels)."""
    for person in data.people:
        if person.bbox is None or not np.isfinite(person.bbox).all():
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
        if not person.is_crowd:
            yield from _compare_with_box(person)


def _compare_with_box(person: Person, margin: float = 0.25) -> Iterator[Finding]:
    """Whether most labelled keypoints of a person lie in its box.

    The box is enlarged on each side by a part ``margin`` of its longer side.
    """
    if person.keypoints is None or person.bbox[2:].min() <= 1:
        return
    points = person.keypoints[person.keypoints[:, 2] > 0, :2]  # (n, 2)
    low, size = person.bbox[:2], person.bbox[2:]
    space = margin * size.max()
    is_off = ((points < low - space) | (points > low + size + space)).any(axis=1)
    if len(points) < 3 or 2 * is_off.sum() <= len(points):
        return
    message = f'{is_off.sum()} of {len(points)} labelled keypoints lie outside of the bbox'
    if points.min() >= 0 and points.max() <= 1:
        message += "; are they fractions of the image's size?"
    elif ((points >= -space) & (points <= size + space)).all():
        message += '; do they count from the corner of the bbox?'
    yield finding('keypoints-off-bbox', person, message)
