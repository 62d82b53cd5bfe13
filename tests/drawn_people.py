"""Poses that the model finds in drawn clips of people who cross, with known identities."""

import numpy as np
from pycocotools.cocoeval import Params
from scipy.optimize import linear_sum_assignment

from directpose.runtime import DirectPose, Poses, PoseTracker
from tests.walking_people import idf1

FPS = 15
SIGMAS = Params('keypoints').kpt_oks_sigmas  # COCO's


def find_people(
    model: DirectPose, num_people: int, num_frames: int = 60, seed: int = 0
) -> list[tuple[Poses, list]]:
    """Draw a clip of people who walk past each other, and find them.

    Returns:
        list[tuple]: For each frame the poses that the model finds, and the people who can be seen,
        each a ``synthetic.scene.Person``.
    """
    from synthetic import draw_walk  # from the folder tools/dataset_converters

    clip = draw_walk(np.random.default_rng(seed), (384, 288), num_frames, FPS, num_people)
    return [(model(picture.image), picture.people) for picture in clip]


def true_identities(poses: Poses, people: list) -> np.ndarray:
    """The identity (n, ) of the person that each pose shows, -1 for nobody.

    A pose shows a person if their OKS, as COCO computes it, is at least 0.5. Each person has one
    pose at most: the sum of the OKS is the largest.
    """
    oks = np.zeros((len(people), len(poses.keypoints)))
    for row, person in zip(oks, people):
        seen = person.keypoints[:, 2] > 0
        squares = (poses.keypoints[:, seen] - person.keypoints[seen, :2]) ** 2  # (n, k, 2)
        spread = 2 * (2 * SIGMAS[seen]) ** 2 * person.mask.sum()
        row[:] = np.exp(-squares.sum(axis=-1) / spread).mean(axis=-1)
    oks[oks < 0.5] = 0
    identities = np.full(len(poses.keypoints), -1)
    for i, j in zip(*linear_sum_assignment(oks, maximize=True)):
        if oks[i, j] > 0:
            identities[j] = people[i].identity
    return identities


def measure_clip(
    tracker: PoseTracker, clip: list[tuple[Poses, list]], score_thr: float
) -> tuple[float, float]:
    """Follow the poses of a clip that have at least a score.

    Returns:
        tuple[float, float]: IDF1 of the tracker, and of one that makes no mistake.
    """
    found, best = [], []
    for poses, people in clip:
        kept = poses.select(poses.scores >= score_thr)
        truth = true_identities(kept, people)
        present = np.array([person.identity for person in people])
        found.append((tracker(kept).identities, truth, present))
        best.append((truth, truth, present))
    return idf1(found), idf1(best)
