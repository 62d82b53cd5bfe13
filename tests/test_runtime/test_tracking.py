"""Identities over frames, on walking people whose identities are known."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from directpose.runtime import DirectPose
from directpose.runtime.assignment import best_assignment
from directpose.runtime.poses import Poses
from directpose.runtime.smoothing import OneEuroFilter
from directpose.runtime.tracking import PoseTracker
from tests.drawn_people import FPS, find_people, measure_clip
from tests.walking_people import NUM_KEYPOINTS, idf1, walker, walking_people


@pytest.mark.parametrize('seed', range(30))
def test_assignment_equals_scipy(seed):
    rng = np.random.default_rng(seed)
    gain = rng.uniform(-1, 1, rng.integers(1, 9, size=2))
    gain[rng.random(gain.shape) < 0.3] = 0
    pairs = best_assignment(gain)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    assert len(pairs) == min(gain.shape)
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)
    assert gain[tuple(pairs.T)].sum() == pytest.approx(gain[rows, columns].sum())


class BoxTracker(PoseTracker):
    """What other trackers do: compare boxes by their overlap."""

    def _oks(self, expected, found):
        ours, theirs = (
            np.concatenate([poses.min(axis=1), poses.max(axis=1)], axis=1)
            for poses in (expected, found)
        )
        first, second = ours[:, None], theirs[None]
        low = np.maximum(first[..., :2], second[..., :2])
        high = np.minimum(first[..., 2:], second[..., 2:])
        common = (high - low).clip(min=0).prod(axis=-1)
        areas = [(box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (first, second)]
        return common / (areas[0] + areas[1] - common)


def measure(tracker, num_people, num_frames=200, seed=0, **kwargs):
    return idf1(
        [
            (tracker(poses).identities, truth, present)
            for poses, truth, present in walking_people(
                num_frames, num_people, fps=tracker.fps, seed=seed, **kwargs
            )
        ]
    )


def test_people_move_on_when_a_new_clock_starts():
    tracker, going = PoseTracker(smooth=True), PoseTracker(smooth=True)
    for index in range(20):
        keypoints = np.array([[[0, 0], [40, 0], [0, 80], [40, 80]]], np.float32) + 2 * index
        poses = Poses(keypoints, np.ones(1), np.zeros((1, 4)))
        time = 60 + index / 30 if index < 10 else (index - 10) / 30
        found, expected = tracker(poses, time), going(poses, 60 + index / 30)
        assert found.identities == 1
        np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-3)


def test_crossing_people_keep_their_identities():
    """IDF1 can be 0.92 at most, since a tenth of the poses is missing. Scores are 0.05 to 0.5."""
    figures = [measure(PoseTracker(), num_people=8, seed=seed) for seed in range(3)]
    assert np.mean(figures) > 0.9


def test_poses_tell_people_apart_where_boxes_do_not():
    for fps in (30, 15):
        poses, boxes = (
            np.mean([measure(kind(fps=fps), num_people=12, seed=seed) for seed in range(2)])
            for kind in (PoseTracker, BoxTracker)
        )
        assert poses > boxes + 0.05


def test_drawn_people_keep_their_identities():
    """The model finds them. IDF1 is 0.98 with the least score of 0.2, and 0.95 with 0.05.

    It is 0.56 by the order of the scores, and 0.03 with new numbers in each frame.
    """
    model = DirectPose('directpose-tiny', score_thr=0.05)
    clip = find_people(model, num_people=3, num_frames=40, seed=7)
    for score_thr in (0.2, 0.05):
        tracker = PoseTracker(model.keypoint_sigmas, fps=FPS)
        assert measure_clip(tracker, clip, score_thr)[0] > 0.85


def test_without_faults_of_detection_nobody_is_mistaken():
    assert measure(PoseTracker(), num_people=2, missed=0, extra=0, noise=0.005) > 0.99


def one_person(keypoints):
    keypoints = np.asarray(keypoints, np.float32)[None]
    box = np.concatenate([keypoints.min(axis=1), keypoints.max(axis=1)], axis=1)
    return Poses(keypoints, np.array([0.1], np.float32), box, size=(640, 480))


def test_a_keypoint_of_a_larger_sigma_may_move_more():
    still = np.array([[0, 0], [40, 0], [0, 80], [40, 80]]) + 300.0
    moved = still + np.array([[0, 0], [0, 0], [0, 0], [30, 0]])
    for sigmas, same in (
        (None, False),
        ([0.067, 0.067, 0.067, 1.0], True),
        ([1.0, 0.067, 0.067, 0.067], False),
    ):
        tracker = PoseTracker(sigmas, min_oks=0.9)
        first = tracker(one_person(still)).identities
        assert (tracker(one_person(moved)).identities == first) == same


def nobody():
    return Poses(np.zeros((0, NUM_KEYPOINTS, 2)), np.zeros(0), np.zeros((0, 4)), size=(640, 480))


def test_a_person_is_found_again_within_the_memory_and_not_later():
    still = walker(200, 0) + 300
    for frames_away, same in ((20, True), (40, False)):
        tracker = PoseTracker(memory=1.0, fps=30)
        before = tracker(one_person(still)).identities
        for _ in range(frames_away):
            assert tracker(nobody()).identities.shape == (0,)
        after = tracker(one_person(still)).identities
        assert (before == after).all() == same


def test_time_counts_and_not_frames():
    tracker = PoseTracker(memory=1.0)
    still = walker(200, 0) + 300
    first = tracker(one_person(still), time=0.0).identities
    assert tracker(one_person(still), time=0.9).identities == first
    assert tracker(one_person(still), time=2.5).identities != first
    # A clock that goes back, as at the seam of two recordings, is not an error.
    tracker(one_person(still), time=1.0)


def test_memory_does_not_grow_with_the_frames():
    tracker = PoseTracker(smooth=True)
    for poses, _, _ in walking_people(500, 3, extra=0.9):
        tracker(poses)
    assert len(tracker._people) < 40


def test_smoothing_takes_away_jitter_and_lags_little():
    """Noise of 2 pixels on a person of 200; then a run of three heights a second."""
    rng = np.random.default_rng(0)
    body = walker(200, 0) + 300
    at_rest, running = [], []
    tracker = PoseTracker(smooth=True)
    for _ in range(120):
        noisy = body + rng.normal(0, 2, body.shape)
        at_rest.append(tracker(one_person(noisy)).keypoints[0] - body)
    jitter = np.diff(at_rest[30:], axis=0).std()
    assert jitter < 0.4 * 2 * np.sqrt(2)
    assert np.abs(np.mean(at_rest[30:], axis=0)).max() < 1
    tracker = PoseTracker(smooth=True)
    for frame in range(60):
        moved = body + np.array([600 / 30 * frame, 0])
        running.append(tracker(one_person(moved)).keypoints[0] - moved)
    assert np.abs(running[-1]).max() < 0.1 * 200


def test_a_value_at_the_same_time_is_not_counted_twice():
    smooth = OneEuroFilter()
    first = smooth(np.zeros((1, 2)), 0.0, 1.0)
    assert smooth(np.ones((1, 2)), 0.0, 1.0) is first


def test_input_is_not_changed_and_other_fields_are_kept():
    poses = one_person(walker(200, 0) + 300)
    before = poses.keypoints.copy()
    tracker = PoseTracker(smooth=True)
    tracker(poses)
    found = tracker(one_person(walker(200, 1) + 305))
    assert (poses.keypoints == before).all() and poses.identities is None
    assert found.size == (640, 480) and found.scores.tolist() == poses.scores.tolist()


@pytest.mark.parametrize(
    'wrong', [dict(fps=0), dict(fps=float('inf')), dict(fps=None), dict(tolerance=-1)]
)
def test_numbers_that_make_no_sense_are_named(wrong):
    with pytest.raises(ValueError, match=f'{next(iter(wrong))} must be a number above 0'):
        PoseTracker(**wrong)


def test_poses_of_other_keypoints_are_refused():
    def poses(number):
        return Poses(np.zeros((1, number, 2)), np.ones(1), np.zeros((1, 4)))

    with pytest.raises(ValueError, match='have 5 keypoints, .* follows poses of 17'):
        PoseTracker(sigmas=[0.1] * 17)(poses(5))
    tracker = PoseTracker()
    tracker(poses(5))
    with pytest.raises(ValueError, match='have 6 keypoints, .* follows poses of 5'):
        tracker(poses(6))
    with pytest.raises(ValueError, match='time must be a number of seconds, but is nan'):
        tracker(poses(5), float('nan'))
    assert tracker(poses(5)).identities.tolist() == [1]
