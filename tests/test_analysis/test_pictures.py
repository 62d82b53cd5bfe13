"""Pictures for comparisons."""

import numpy as np
import pytest

from directpose.analysis import make_picture, make_picture_of_people
from directpose.runtime import DirectPose


@pytest.mark.parametrize('seed, width, height', [(0, 336, 336), (1, 504, 336), (2, 300, 700)])
def test_the_people_are_found_and_the_rest_is_as_it_was(seed, width, height):
    picture = make_picture_of_people(width, height, seed)
    assert picture.shape == (height, width, 3) and picture.dtype == np.uint8
    blobs = make_picture(width, height, seed)
    same = (picture == blobs).all(axis=2)
    assert same[-1, -1] and not same[: height // 4, : width // 2].all()
    poses = DirectPose('directpose-tiny', score_thr=0.3)(picture)
    assert len(poses.scores) >= 3
    y, x = np.nonzero(~same)
    assert (poses.keypoints.mean(axis=1) < (x.max(), y.max())).all()
