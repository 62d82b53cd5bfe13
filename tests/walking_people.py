"""Poses of people who walk through a picture and cross each other, with known identities."""

from collections.abc import Iterator

import numpy as np

from directpose.runtime import Poses

SIZE = (1280, 720)
NUM_KEYPOINTS = 13  # head, shoulders, elbows, hands, hips, knees, feet


def walker(height: float, phase: float) -> np.ndarray:
    """A body (K, 2) in pixels about the middle of its hips; arms and legs swing with the phase."""
    swing, counter = np.sin(phase), -np.sin(phase)
    body = [
        (0, -0.45),
        (-0.1, -0.32), (0.1, -0.32),
        (-0.11 + 0.08 * counter, -0.17), (0.11 + 0.08 * swing, -0.17),
        (-0.11 + 0.17 * counter, -0.02), (0.11 + 0.17 * swing, -0.02),
        (-0.06, 0), (0.06, 0),
        (-0.06 + 0.1 * swing, 0.24), (0.06 + 0.1 * counter, 0.24),
        (-0.06 + 0.2 * swing, 0.5), (0.06 + 0.2 * counter, 0.5),
    ]  # fmt: skip
    return np.array(body) * height


def walking_people(
    num_frames: int,
    num_people: int,
    fps: float = 30.0,
    noise: float = 0.015,
    missed: float = 0.1,
    extra: float = 0.05,
    seed: int = 0,
) -> Iterator[tuple[Poses, np.ndarray, np.ndarray]]:
    """Frames of people who walk from side to side, at several depths, and turn at the edges.

    Args:
        num_frames (int): Frames.
        num_people (int): People.
        fps (float): Frames a second. Walkers take 0.5 to 1.2 of their heights a second.
        noise (float): Spread of each coordinate, in heights of the person.
        missed (float): How often a person is not detected.
        extra (float): How often there is a pose where nobody is.
        seed (int): Of the random numbers.

    Yields:
        tuple: Detected poses in random order; the true identity (n, ) of each, -1 for nobody; and
        the identities of all people in the frame.
    """
    rng = np.random.default_rng(seed)
    heights = rng.uniform(120, 420, num_people)
    starts = rng.uniform(0, 2 * SIZE[0], num_people)
    speeds = rng.uniform(0.5, 1.2, num_people) * heights * rng.choice([-1, 1], num_people)
    phases = rng.uniform(0, 6, num_people)
    for frame in range(num_frames):
        time = frame / fps
        poses, truth = [], []
        for i in range(num_people):
            # there and back between 0 and the width
            x = abs((starts[i] + speeds[i] * time) % (2 * SIZE[0]) - SIZE[0])
            body = walker(heights[i], phases[i] + 6 * time) + np.array([x, 400])
            if rng.random() >= missed:
                poses.append(body + rng.normal(0, noise * heights[i], body.shape))
                truth.append(i)
        if rng.random() < extra:
            poses.append(walker(rng.uniform(120, 420), 0) + rng.uniform((0, 200), SIZE))
            truth.append(-1)
        order = rng.permutation(len(poses))
        keypoints = np.array([poses[i] for i in order], np.float32).reshape(-1, NUM_KEYPOINTS, 2)
        boxes = np.concatenate([keypoints.min(axis=1), keypoints.max(axis=1)], axis=1)
        # as low as those of this model: the product of two probabilities
        scores = np.sort(rng.uniform(0.05, 0.5, len(poses)))[::-1].astype(np.float32)
        found = Poses(keypoints, scores, boxes, size=SIZE)
        yield found, np.array([truth[i] for i in order], int), np.arange(num_people)


def idf1(frames: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> float:
    """IDF1 (Ristani and others, 2016) of found against true identities.

    A true person is matched with one found identity over the whole video, so that most of the
    poses agree. Each frame has the found and the true identities (n, ) of its poses, and the
    people in it.
    """
    from scipy.optimize import linear_sum_assignment

    true_ids = sorted({i for _, _, present in frames for i in present})
    found_ids = sorted({i for found, _, _ in frames for i in found})
    agree = np.zeros((len(true_ids), len(found_ids)))
    for found, truth, _ in frames:
        for a, b in zip(truth, found):
            if a >= 0:
                agree[true_ids.index(a), found_ids.index(b)] += 1
    rows, columns = linear_sum_assignment(agree, maximize=True)
    total_true = sum(len(present) for _, _, present in frames)
    total_found = sum(len(found) for found, _, _ in frames)
    return 2 * agree[rows, columns].sum() / (total_true + total_found)
