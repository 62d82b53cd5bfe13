"""Give people in a video one number each, by the likeness of their poses."""

from collections.abc import Sequence
from numbers import Real

import numpy as np

from .assignment import best_assignment
from .poses import Poses
from .smoothing import OneEuroFilter

DEFAULT_SIGMA = 0.067
"""The mean of the sigmas of COCO's keypoints."""


class PoseTracker:
    """Follow people through the frames of a video.

    A pose is compared with where each known person should be now: the last pose, moved on with
    its velocity. They are compared by COCO's object keypoint similarity (OKS), which can tell
    people apart whose boxes overlap. The pairs with the largest sum of OKS are matched. A pose
    without a match gets a new number, whatever its score. So every pose of a frame has a number.

    ::

        tracker = PoseTracker(model.keypoint_sigmas)
        for frame in frames:
            poses = tracker(model(frame))
            poses.identities  # (n, ) int64

    Memory does not grow with the number of frames: people out of sight are forgotten.

    Args:
        sigmas (Sequence[float], optional): The sigma of each of the K keypoints, for OKS, as
            ``DirectPose.keypoint_sigmas`` has them. Defaults to 0.067 for each, the mean of COCO's.
        min_oks (float): Poses are of different people if their OKS is less. Defaults to 0.2.
        tolerance (float): OKS is computed with sigmas this many times larger, since people move
            between frames. Defaults to 2.
        memory (float): Seconds after which a person out of sight is forgotten. Defaults to 1.
        smooth (bool): Whether to smooth the keypoints of each person over time, by
            :class:`OneEuroFilter`. Defaults to False.
        fps (float): Frames a second, for calls that do not give the time. Defaults to 30.

    Raises:
        ValueError: If ``tolerance`` or ``fps`` is not above 0.
    """

    def __init__(
        self,
        sigmas: Sequence[float] | None = None,
        min_oks: float = 0.2,
        tolerance: float = 2.0,
        memory: float = 1.0,
        smooth: bool = False,
        fps: float = 30.0,
    ) -> None:
        for name, value in dict(tolerance=tolerance, fps=fps).items():
            if not (isinstance(value, Real) and 0 < value < float('inf')):
                raise ValueError(f'{name} must be a number above 0, but is {value!r}')
        self.sigmas = None if sigmas is None else np.asarray(sigmas, dtype=np.float64)
        self.min_oks, self.tolerance, self.memory = min_oks, tolerance, memory
        self.smooth, self.fps = smooth, fps
        self._people: list[_Person] = []
        self._time, self._shift = 0.0, 0.0
        self._next_identity = 1

    def __call__(self, poses: Poses, time: float | None = None) -> Poses:
        """Number the people of the next frame.

        Args:
            poses (Poses): The people of the frame, in pixels of the picture.
            time (float, optional): Seconds at which the frame was taken. A time that goes back by
                a second at most stands still. One that goes back further means that a new clock
                has started, as where files were joined. Defaults to 1 / fps after the frame
                before.

        Returns:
            Poses: A copy with ``identities``, and with smooth keypoints where that is chosen.

        Raises:
            ValueError: If the number of keypoints is not that of ``sigmas`` or of the frames
                before, or if ``time`` is not finite.
        """
        self._check(poses, time)
        after = self._time + 1 / self.fps
        if time is None:
            time = after
        elif time + self._shift < self._time - 1:
            self._shift = after - time
            time = after
        else:
            time = max(time + self._shift, self._time)
        self._time = time
        self._people = [one for one in self._people if time - one.time <= self.memory]
        keypoints = np.asarray(poses.keypoints, dtype=np.float64)  # (n, K, 2)
        matched: list[_Person | None] = [None] * len(keypoints)
        if self._people and len(keypoints):
            expected = np.stack([person.at(time) for person in self._people])
            likeness = self._oks(expected, keypoints)  # (people, n)
            allowed = likeness >= self.min_oks
            for row, column in best_assignment(np.where(allowed, likeness, 0)):
                if allowed[row, column]:
                    matched[column] = self._people[row]
        smoothed = np.array(poses.keypoints)
        identities = np.empty(len(matched), dtype=np.int64)
        for i, person in enumerate(matched):
            if person is None:
                person = _Person(self._next_identity, keypoints[i], time)
                self._people.append(person)
                self._next_identity += 1
            person.see(keypoints[i], time)
            identities[i] = person.identity
            if self.smooth:
                smoothed[i] = person.filter(keypoints[i], time, scale=_size(keypoints[i]))
        return poses.replace(keypoints=smoothed, identities=identities)

    def _check(self, poses: Poses, time: float | None) -> None:
        if time is not None and not np.isfinite(time):
            raise ValueError(f'time must be a number of seconds, but is {time!r}')
        number = poses.keypoints.shape[1]
        known = len(self._people[0].keypoints) if self._people else number
        if self.sigmas is not None:
            known = len(self.sigmas)
        if len(poses.keypoints) and number != known:
            raise ValueError(
                f'the poses have {number} keypoints, and this tracker follows poses of {known}; '
                'make a tracker for each kind of poses'
            )

    def _oks(self, expected: np.ndarray, found: np.ndarray) -> np.ndarray:
        """OKS (m, n) of poses (m, K, 2) and (n, K, 2); the area is the mean of both."""
        sigmas = np.full(found.shape[1], DEFAULT_SIGMA) if self.sigmas is None else self.sigmas
        areas = [np.array([_size(pose) ** 2 for pose in poses]) for poses in (expected, found)]
        area = (areas[0][:, None] + areas[1]) / 2  # (m, n)
        squares = ((expected[:, None] - found) ** 2).sum(axis=-1)  # (m, n, K)
        spread = 2 * (2 * self.tolerance * sigmas) ** 2 * area[..., None]  # (m, n, K)
        return np.exp(-squares / spread).mean(axis=-1)


class _Person:
    """What is known of one person: where the last pose was, and how fast it moved."""

    def __init__(self, identity: int, keypoints: np.ndarray, time: float) -> None:
        self.identity = identity
        self.filter = OneEuroFilter()
        self.time = time
        self.keypoints = keypoints  # (K, 2)
        self.velocity = np.zeros(2)  # pixels a second

    def at(self, time: float) -> np.ndarray:
        """Where the keypoints (K, 2) should be."""
        return self.keypoints + self.velocity * (time - self.time)

    def see(self, keypoints: np.ndarray, time: float) -> None:
        """Take in the pose of a frame."""
        if time > self.time:
            # The median over the keypoints: a swinging arm does not move the person.
            moved = np.median(keypoints - self.keypoints, axis=0) / (time - self.time)
            self.velocity += 0.5 * (moved - self.velocity)
        self.keypoints, self.time = keypoints, time


def _size(keypoints: np.ndarray) -> float:
    """Square root of the area that a pose (K, 2) takes, in pixels; at least 1.

    A person seen from the side, or lying, is narrow: width and height count as a quarter of each
    other at least.
    """
    sides = np.ptp(keypoints, axis=0)
    sides = np.maximum(sides, sides.max() / 4)
    return max(float(np.sqrt(sides.prod())), 1.0)
