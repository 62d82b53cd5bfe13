"""Count missed and invented people, check the scores, and find the worst pictures."""

from typing import NamedTuple

import numpy as np
from pycocotools import mask as mask_utils

from .calibration import Bin, calibrate
from .results import MAX_DETECTIONS, Results

OKS = 0.5
"""The least OKS at which a prediction has found a person."""
SIZES = (('below 32 px', 0, 32), ('32 to 96 px', 32, 96), ('above 96 px', 96, np.inf))
"""Groups by the square root of a person's area in original pixels. The limits are COCO's."""
CROWDS = (('nobody', 0, 1), ('1 or 2', 1, 3), ('3 or more', 3, np.inf))
"""Groups by the number of people whose boxes overlap a person's box."""
OVERLAP_IOU = 0.1
"""Boxes with a larger intersection over union overlap."""


class Group(NamedTuple):
    """Counts of the people of one size, or of one degree of crowding."""

    name: str
    annotated: int
    missed: int
    predicted: int
    invented: int


class PeopleErrors:
    """The people whom the predictions missed or invented.

    Args:
        results (Results): Predictions and annotations.
        score_thr (float, optional): Predictions with a lower score are left out. Defaults to the
            score with the best F1.
    """

    def __init__(self, results: Results, score_thr: float | None = None) -> None:
        self.results = results
        match = results.match(OKS)
        scores = np.array([p['score'] for p in results.predictions], dtype=np.float64)
        ranks = _ranks([p['image_id'] for p in results.predictions], scores)
        counted = np.array([i not in match.ignored for i in range(len(scores))], dtype=bool)
        # COCO's metric takes no more predictions of a picture either.
        counted &= ranks < MAX_DETECTIONS
        self.right = np.array([i in match.person_of for i in range(len(scores))], dtype=bool)
        self.scores, self.counted = scores, counted
        self.annotated = [person for image in results.coco.imgs for person in results.people(image)]
        self.score_thr = self._best_threshold() if score_thr is None else score_thr
        self.chosen = counted & (scores >= self.score_thr)
        self.person_of = {i: match.person_of[i] for i in np.flatnonzero(self.chosen & self.right)}
        self.found = set(self.person_of.values())

    def _best_threshold(self) -> float:
        """Find the score with the best F1, or return 0 if no prediction is right."""
        scores, right = self.scores[self.counted], self.right[self.counted]
        if not right.any():
            return 0.0
        order = np.argsort(-scores, kind='stable')
        f1 = 2 * right[order].cumsum() / (np.arange(1, len(order) + 1) + len(self.annotated))
        # A threshold takes or leaves all predictions of one score together.
        last = np.append(np.diff(scores[order]) != 0, True)
        return float(scores[order][np.where(last, f1, -1).argmax()])

    def groups(self) -> dict[str, list[Group]]:
        """Count missed and invented people by size and by crowding.

        A prediction that found a person belongs to the groups of this person. An invented person
        has the size of the box of its keypoints, and its crowd are the annotated people whose
        boxes overlap this box.

        Returns:
            dict[str, list[Group]]: The groups of :data:`SIZES` under 'size', and those of
            :data:`CROWDS` under 'crowding'.
        """
        boxes = {image: _boxes(self.results.people(image)) for image in self.results.coco.imgs}
        missed = np.array([p['id'] not in self.found for p in self.annotated], dtype=bool)
        size = {p['id']: p['area'] ** 0.5 for p in self.annotated}
        crowd = {}
        for image, own in boxes.items():
            overlaps = _overlaps(own, own)
            np.fill_diagonal(overlaps, False)  # people do not crowd themselves
            crowd |= dict(zip((p['id'] for p in self.results.people(image)), overlaps.sum(axis=1)))
        annotated_size, annotated_crowd = list(size.values()), list(crowd.values())
        chosen = np.flatnonzero(self.chosen)
        invented = ~self.right[chosen]
        predicted_size, predicted_crowd = [], []
        predictions = [self.results.predictions[i] for i in chosen]
        for i, prediction, box in zip(chosen, predictions, _pose_boxes(predictions)):
            person = self.person_of.get(i)
            if person is None:
                predicted_size.append(box[2:].prod() ** 0.5)
                overlaps = _overlaps(box[None], boxes[prediction['image_id']])
                predicted_crowd.append(overlaps.sum())
            else:
                predicted_size.append(size[person])
                predicted_crowd.append(crowd[person])

        def count(limits, annotated, predicted) -> list[Group]:
            annotated, predicted = np.asarray(annotated), np.asarray(predicted)
            groups = []
            for name, low, high in limits:
                here = (annotated >= low) & (annotated < high)
                there = (predicted >= low) & (predicted < high)
                groups.append(
                    Group(
                        name,
                        int(here.sum()),
                        int((here & missed).sum()),
                        int(there.sum()),
                        int((there & invented).sum()),
                    )
                )
            return groups

        return dict(
            size=count(SIZES, annotated_size, predicted_size),
            crowding=count(CROWDS, annotated_crowd, predicted_crowd),
        )

    def calibration(self, num_bins: int = 10) -> tuple[list[Bin], float]:
        """Compare the scores of predictions with the share of them that found a person.

        All scores take part, also those below the threshold.

        Args:
            num_bins (int): The number of bins of equal width from 0 to 1. Defaults to 10.

        Returns:
            tuple:
            - bins (list[Bin]): The bins that have predictions.
            - error (float): The expected calibration error: the mean distance between score and
              share, weighted by the number of predictions.
        """
        scores, right = self.scores[self.counted], self.right[self.counted]
        return calibrate(scores, right, num_bins)

    def worst_pictures(self) -> list[tuple[int, int, int]]:
        """Rank the pictures by the number of people missed and invented, most first.

        Returns:
            list[tuple[int, int, int]]: The id of a picture, the number of people missed, and the
            number of people invented, for each picture in which there was such an error.
        """
        errors = {image: [0, 0] for image in self.results.coco.imgs}
        for person in self.annotated:
            errors[person['image_id']][0] += person['id'] not in self.found
        for i in np.flatnonzero(self.chosen & ~self.right):
            errors[self.results.predictions[i]['image_id']][1] += 1
        ranked = sorted(errors, key=lambda image: -sum(errors[image]))
        return [(image, *errors[image]) for image in ranked if sum(errors[image])]


def _ranks(images: list[int], scores: np.ndarray) -> np.ndarray:
    """Rank each prediction (n, ) within its picture, 0 for the best."""
    ranks, seen = np.zeros(len(scores), dtype=int), {}
    for i in np.argsort(-scores, kind='stable'):
        ranks[i] = seen[images[i]] = seen.get(images[i], -1) + 1
    return ranks


def _boxes(people: list[dict]) -> np.ndarray:
    """Return the annotated boxes (n, 4) as x, y, width, height."""
    return np.array([person['bbox'] for person in people], dtype=np.float64).reshape(-1, 4)


def _pose_boxes(entries: list[dict]) -> np.ndarray:
    """Return the boxes (n, 4) of :func:`_boxes` around the keypoints whose v is not 0."""
    boxes = np.zeros((len(entries), 4))
    for box, entry in zip(boxes, entries):
        points = np.reshape(entry['keypoints'], (-1, 3))
        points = points[points[:, 2] > 0, :2] if (points[:, 2] > 0).any() else points[:, :2]
        box[:] = *points.min(axis=0), *np.ptp(points, axis=0)
    return boxes


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Say which of the boxes (n, 4) overlap which of the others (m, 4), as (n, m) booleans."""
    ious = mask_utils.iou(boxes, others, [0] * len(others))
    return np.reshape(ious, (len(boxes), len(others))) > OVERLAP_IOU
