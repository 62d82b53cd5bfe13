"""The pictures on which an exported file is compared with its model."""

import numpy as np
import pytest

from directpose.cli.images import example_picture
from directpose.runtime import DirectPose


@pytest.mark.parametrize(
    'number, width, height, shown',  # (width, height) of the drawing at this size
    [(0, 336, 336, (336, 276)), (1, 504, 336, (442, 336)), (2, 300, 700, (300, 247))],
)
def test_people_are_found_and_mirrored_where_the_drawing_does_not_reach(
    number, width, height, shown
):
    picture = example_picture(width, height, number)
    assert picture.shape == (height, width, 3)
    poses = DirectPose('directpose-tiny', score_thr=0.3)(picture)
    assert len(poses.scores) >= 3
    right, bottom = shown
    for k in range(10):
        if bottom < height:
            np.testing.assert_array_equal(picture[bottom + k], picture[bottom - 1 - k])
        if right < width:
            np.testing.assert_array_equal(picture[:, right + k], picture[:, right - 1 - k])
