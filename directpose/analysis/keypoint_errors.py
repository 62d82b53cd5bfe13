"""Say what went wrong with each keypoint, and what the AP would be without this kind of error.

Source: Ronchi and Perona, Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation,
ICCV 2017 (arXiv 1707.05388), section 3.1.
"""

import numpy as np

from .results import Results, similarity

KINDS = ('good', 'jitter', 'inversion', 'swap', 'miss')
"""A keypoint with ``jitter`` is near its place. One with ``inversion`` is on the mirrored keypoint
of the same person. One with ``swap`` is on the same or the mirrored keypoint of another person.
One with ``miss`` is near none of these."""
MIN_OKS = 0.1
"""The least OKS at which a prediction is matched with a person."""
NEAR, GOOD = 0.5, 0.85
"""The least similarity of a keypoint that is near another, and of a keypoint that is right."""


def classify(
    predicted: np.ndarray,
    person: int,
    keypoints: np.ndarray,
    labelled: np.ndarray,
    areas: np.ndarray,
    sigmas: np.ndarray,
    flip_indices: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the kind of error of each keypoint of one prediction.

    Args:
        predicted (np.ndarray): (K, 2), the predicted keypoints in original pixels.
        person (int): Index of the person with whom the prediction is matched.
        keypoints (np.ndarray): (M, K, 2), the annotated keypoints of the M people in the
            picture, in original pixels.
        labelled (np.ndarray): (M, K) bool, whether each of these keypoints is labelled.
        areas (np.ndarray): (M, ), the areas of the people in square original pixels.
        sigmas (np.ndarray): (K, ), the sigmas of COCO's OKS.
        flip_indices (np.ndarray): (K, ), the index of each keypoint's mirrored keypoint.

    Returns:
        tuple:
        - kinds (np.ndarray): (K, ), indices into :data:`KINDS`, or -1 where the person's keypoint
          is not labelled.
        - similarities (np.ndarray): (K, ), the similarity of each keypoint once its error is
          corrected.
    """
    plain = np.where(labelled, similarity(predicted, keypoints, areas, sigmas), -1)  # (M, K)
    mirrored = np.where(
        labelled[:, flip_indices],
        similarity(predicted, keypoints[:, flip_indices], areas, sigmas),
        -1,
    )
    others = np.full(len(sigmas), -1.0)
    if len(keypoints) > 1:
        rest = np.arange(len(keypoints)) != person
        others = np.maximum(plain[rest], mirrored[rest]).max(axis=0)
    # A keypoint without a partner is its own mirror image. argmax takes the first of equal values.
    choices = np.stack([plain[person], mirrored[person], others])  # (3, K)
    nearest, best = choices.argmax(axis=0), choices.max(axis=0)
    kinds = np.select(
        [best < NEAR, nearest == 1, nearest == 2, best < GOOD],
        [KINDS.index(kind) for kind in ('miss', 'inversion', 'swap', 'jitter')],
        KINDS.index('good'),
    )
    corrected = np.select(
        [kinds == KINDS.index('miss'), kinds == KINDS.index('jitter')], [NEAR, GOOD], best
    )
    return np.where(labelled[person], kinds, -1), corrected


class KeypointErrors:
    """The keypoint errors of all predictions that are matched with a person.

    Args:
        results (Results): Predictions and annotations.
    """

    def __init__(self, results: Results) -> None:
        self.results = results
        num_keypoints = len(results.sigmas)
        shape = (len(results.predictions), num_keypoints)
        self.predicted = np.array(
            [entry['keypoints'] for entry in results.predictions], dtype=np.float64
        ).reshape(*shape, 3)
        self.kinds = np.full(shape, -1)
        """(n, K): indices into :data:`KINDS`, or -1 where there is nothing to compare."""
        self.similarities = np.full(shape, np.nan)
        """(n, K): the similarity to the keypoint of the matched person, or NaN."""
        self.corrected = self.predicted[..., :2].copy()
        """(n, K, 2): the keypoints with their errors corrected, in original pixels."""
        for index, identity in results.match(MIN_OKS).person_of.items():
            self._compare(index, identity)

    def _compare(self, index: int, identity: int) -> None:
        """Compare prediction number ``index`` with the annotation whose id is ``identity``."""
        results = self.results
        people = results.people(results.predictions[index]['image_id'])
        person = [a['id'] for a in people].index(identity)
        annotated = np.array([a['keypoints'] for a in people], dtype=np.float64)
        annotated = annotated.reshape(len(people), -1, 3)
        areas = np.array([a['area'] for a in people], dtype=np.float64)
        predicted = self.predicted[index, :, :2]
        keypoints, labelled = annotated[..., :2], annotated[..., 2] > 0
        self.kinds[index], corrected = classify(
            predicted, person, keypoints, labelled, areas, results.sigmas, results.flip_indices
        )
        compared = labelled[person]
        near = similarity(predicted, keypoints[person], areas[person], results.sigmas)
        self.similarities[index, compared] = near[compared]

        # The point to the right of the annotated keypoint that has the corrected similarity.
        corrected = np.clip(corrected, np.spacing(1), 1)
        distance = np.sqrt(-2 * np.log(corrected) * areas[person]) * 2 * results.sigmas
        moved = keypoints[person] + np.stack([distance, np.zeros_like(distance)], axis=-1)
        wrong = self.kinds[index] > KINDS.index('good')
        self.corrected[index, wrong] = moved[wrong]

    def counts(self) -> np.ndarray:
        """Count how often each keypoint has each kind of error: (K, len(KINDS))."""
        return np.stack([(self.kinds == kind).sum(axis=0) for kind in range(len(KINDS))], axis=-1)

    def mean_similarities(self) -> np.ndarray:
        """Return the mean similarity of each keypoint (K, ), NaN if it was never compared."""
        compared = np.isfinite(self.similarities)
        with np.errstate(invalid='ignore'):
            return np.where(compared, self.similarities, 0).sum(axis=0) / compared.sum(axis=0)

    def average_precision(self, *kinds: str) -> float:
        """Compute the AP with all errors of some kinds corrected.

        Args:
            *kinds (str): The kinds, of :data:`KINDS`. A keypoint with jitter is moved to where its
                similarity is 0.85, and a miss to where it is 0.5. An inversion or a swap gets the
                similarity to the right keypoint that it had to the wrong one. Without any kind
                the AP is that of the predictions as they are.

        Returns:
            float: AP, from 0 to 1.
        """
        chosen = np.isin(self.kinds, [KINDS.index(kind) for kind in kinds])
        keypoints = self.predicted.copy()
        keypoints[..., :2] = np.where(chosen[..., None], self.corrected, keypoints[..., :2])
        return self.results.average_precision([pose.ravel().tolist() for pose in keypoints])
