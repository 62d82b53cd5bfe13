"""What the scores of single keypoints are worth."""

from typing import NamedTuple

import numpy as np

from directpose.errors import UserError

from .results import Results, similarity


class KeypointScores(NamedTuple):
    """Keypoints of predicted people that match an annotated person, n of them in all."""

    scores: np.ndarray
    """(n, ), the scores."""
    similarities: np.ndarray
    """(n, ), what each score promises: the keypoint's part of OKS, 0 where unlabelled."""
    hidden: np.ndarray
    """(n, ), the probability of being hidden."""
    visibility: np.ndarray
    """(n, ), COCO's: 0 is unlabelled, 1 is hidden, 2 is visible."""


def match_keypoint_scores(results: Results, oks: float = 0.1) -> KeypointScores:
    """Collect the scores of keypoints beside what they promise.

    Args:
        results (Results): Predictions with ``keypoint_scores`` and ``keypoints_hidden``, and
            annotations.
        oks (float): The least OKS of a predicted and an annotated person. Defaults to 0.1, so
            that bad poses take part.

    Raises:
        UserError: If the predictions have no scores of keypoints.
    """
    if any('keypoints_hidden' not in entry for entry in results.predictions):
        raise UserError(
            'the predictions have no scores of keypoints: test a model with a '
            'DirectPoseScoreHead, and give the file of tools/test.py --dump'
        )
    people = {person['id']: person for person in results.coco.dataset['annotations']}
    rows = [[np.empty(0)] * 4]
    for index, person_id in results.match(oks).person_of.items():
        entry, person = results.predictions[index], people[person_id]
        predicted = np.reshape(entry['keypoints'], (-1, 3))[:, :2]
        annotated = np.reshape(person['keypoints'], (-1, 3))
        close = similarity(predicted, annotated[:, :2], person['area'], results.sigmas)
        visibility = annotated[:, 2]
        rows.append(
            [
                np.array(entry['keypoint_scores']),
                close * (visibility > 0),
                np.array(entry['keypoints_hidden']),
                visibility,
            ]
        )
    return KeypointScores(*(np.concatenate(parts) for parts in zip(*rows)))
