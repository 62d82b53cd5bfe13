"""Poses of two tests, paired and compared."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load_tool import load_tool

SHIFT = np.array([3, 4])
tool = load_tool('tools/analysis_tools/compare_poses.py')


def people(number, seed=0):
    """Poses 100 px high, 1000 px apart."""
    rng = np.random.default_rng(seed)
    poses = rng.uniform(0, 100, (number, 17, 2))
    poses[:, 0], poses[:, 1] = 0, 100
    return poses + 1000 * np.arange(number)[:, None, None]


def write(path, images):
    path.write_text(
        json.dumps(
            [
                dict(
                    img_id=image,
                    img_path='',
                    people=[
                        dict(score=score, keypoints=pose.tolist(), box=[0, 0, 1, 1])
                        for pose, score in zip(poses, scores, strict=True)
                    ],
                )
                for image, (poses, scores) in images.items()
            ]
        )
    )
    return str(path)


@given(number=st.integers(0, 5), order=st.randoms(use_true_random=False))
def test_pairs_in_any_order(number, order):
    first = people(number)
    indices = list(range(number))
    order.shuffle(indices)
    pixels, relative = tool.pair(first, first[indices] + SHIFT)
    np.testing.assert_allclose(pixels, [5] * number)
    np.testing.assert_allclose(relative, [0.05] * number)


def test_counts_the_sure_people_who_are_in_both(tmp_path, capsys):
    three = people(3)
    first = write(tmp_path / 'a.json', {7: (three, [0.9, 0.8, 0.1]), 9: (people(1), [0.9])})
    second = write(tmp_path / 'b.json', {9: (people(0), []), 7: (three[:1] + SHIFT, [0.9])})
    tool.main([first, second])
    assert capsys.readouterr().out.splitlines()[:2] == [
        'people: 3 and 1, 1 of them in both',
        "mean distance: 5.000 px, 5.00 % of the person's longer side",
    ]


def test_nobody(tmp_path, capsys):
    path = write(tmp_path / 'a.json', {7: (people(0), [])})
    tool.main([path, path])
    assert capsys.readouterr().out == 'people: 0 and 0, 0 of them in both\n'


def test_other_images_are_refused(tmp_path):
    first = write(tmp_path / 'a.json', {7: (people(1), [1.0])})
    second = write(tmp_path / 'b.json', {8: (people(1), [1.0])})
    with pytest.raises(SystemExit, match='not of the same images'):
        tool.main([first, second])


@pytest.mark.parametrize(
    'content',
    [None, b'', b'{', b'[]', b'[1]', b'\x80\x05K\x01.', b'[{"img_id": 1, "people": [{}]}]'],
)
def test_what_is_no_file_of_poses_is_refused(tmp_path, content):
    path = tmp_path / 'wrong.json'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit, match=r'error: .*wrong\.json'):
        tool.main([str(path), str(path)])


def test_poses_of_other_keypoints_are_refused(tmp_path):
    first = write(tmp_path / 'a.json', {7: (people(1), [1.0])})
    second = write(tmp_path / 'b.json', {7: (people(1)[:, :14], [1.0])})
    with pytest.raises(SystemExit, match='poses of 14 and 17 keypoints'):
        tool.main([first, second])
    single = write(tmp_path / 'c.json', {7: (people(1)[:, :1], [1.0])})
    with pytest.raises(SystemExit, match='one keypoint, and so no size'):
        tool.main([single, single])
