"""Scores of keypoints beside what they promise."""

import json

import numpy as np
import pytest

from directpose.analysis.calibration import area_under_roc, calibrate
from directpose.analysis.keypoint_scores import match_keypoint_scores
from directpose.analysis.results import Results
from tests.load_tool import load_tool

COCO = dict(from_file='configs/_base_/datasets/coco.py')
POSE = np.stack([50 + 10 * np.arange(17), 40 + 7 * (np.arange(17) % 5)], axis=1).astype(float)
AREA = 8000.0

tool = load_tool('tools/analysis_tools/analyze_keypoint_scores.py')


def test_calibration_is_the_mean_distance_weighted_by_numbers():
    scores, right = np.array([0.05, 0.31, 0.39, 1.0]), np.array([0.0, 0.5, 0.1, 0.6])
    bins, error = calibrate(scores, right)
    assert [(b.low, b.number) for b in bins] == [(0.0, 1), (0.3, 2), (0.9, 1)]
    assert bins[1].score == pytest.approx(0.35) and bins[1].right == pytest.approx(0.3)
    assert error == pytest.approx((0.05 + 2 * 0.05 + 0.4) / 4)


def test_area_under_roc_counts_pairs():
    random = np.random.default_rng(0)
    scores, positive = random.integers(0, 6, 40) / 5, random.random(40) < 0.4
    pairs = [(s > t) + (s == t) / 2 for s in scores[positive] for t in scores[~positive]]
    assert area_under_roc(scores, positive) == pytest.approx(np.mean(pairs))
    assert np.isnan(area_under_roc(scores, np.ones(40, bool)))


@pytest.fixture
def files(tmp_path):
    """A person whose nose is unlabelled, left eye hidden and right eye a known way off."""
    visibility = np.full(17, 2)
    visibility[:2] = 0, 1
    keypoints = np.column_stack([POSE * (visibility > 0)[:, None], visibility])
    person = dict(
        id=1, image_id=7, category_id=1, iscrowd=0, area=AREA, bbox=[0, 0, 300, 200],
        num_keypoints=16, keypoints=keypoints.flatten().tolist(),
    )  # fmt: skip
    guess = POSE.copy()
    guess[2, 1] += np.sqrt(-2 * np.log(0.7) * AREA) * 2 * 0.025  # COCO's sigma of the eyes
    found = dict(
        score=0.9,
        keypoints=guess.tolist(),
        box=[0, 0, 300, 200],
        keypoint_scores=np.linspace(0.1, 0.9, 17).tolist(),
        keypoints_hidden=[0.5, 0.8, *[0.1] * 15],
    )
    nobody = dict(found, keypoints=(guess + 900).tolist())
    paths = tmp_path / 'poses.json', tmp_path / 'annotations.json'
    paths[0].write_text(json.dumps([dict(img_id=7, img_path='7.jpg', people=[found, nobody])]))
    paths[1].write_text(
        json.dumps(
            dict(
                images=[dict(id=7, file_name='7.jpg', width=400, height=300)],
                annotations=[person],
                categories=[dict(id=1, name='person')],
            )
        )
    )
    return [str(path) for path in paths]


def test_each_score_is_compared_with_its_keypoint(files):
    found = match_keypoint_scores(Results(*files, COCO))
    assert len(found.scores) == 17  # the pose that matches nobody is left out
    np.testing.assert_allclose(found.scores, np.linspace(0.1, 0.9, 17))
    np.testing.assert_allclose(found.similarities, [0, 1, 0.7, *[1] * 14], atol=1e-6)
    assert found.visibility.tolist() == [0, 1, *[2] * 15]
    assert found.hidden[1] == 0.8


def test_command_prints_the_figures(files, tmp_path, capsys):
    tool.main([*files, '--plot', str(tmp_path / 'plot.png')])
    text = capsys.readouterr().out
    assert 'area under ROC 1.000, 1 of 16' in text
    assert '0.1 to 0.2          2        0.12             0.50' in text
    assert (tmp_path / 'plot.png').stat().st_size > 1000


def test_poses_without_scores_are_refused(files, capsys):
    poses = json.loads(open(files[0]).read())
    del poses[0]['people'][0]['keypoints_hidden']
    with open(files[0], 'w') as file:
        json.dump(poses, file)
    with pytest.raises(SystemExit, match='have no scores of keypoints'):
        tool.main(files)


def test_a_metainfo_file_that_is_not_there_is_named(files):
    with pytest.raises(SystemExit, match='no_such.py: there is no such file'):
        tool.main([*files, '--metainfo', 'no_such.py'])


def test_a_picture_that_cannot_be_drawn_is_refused_before_the_work(tmp_path):
    with pytest.raises(SystemExit, match='--plot .*plot.gif: end the name with .png'):
        tool.main(['no.json', 'none.json', '--plot', str(tmp_path / 'plot.gif')])
