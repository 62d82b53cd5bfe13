"""The drawer: what it does to the pixels."""

import numpy as np
import pytest

from directpose.drawing import LEFT, MIDDLE, RIGHT, TINTS, draw_poses

NAMES = ['nose', 'left_shoulder', 'right_shoulder', 'left_hand', 'right_hand']
LINKS = [[1, 2], [1, 3], [2, 4]]
# Of a person one pixel high and wide. The nose is linked to nothing.
POSE = np.array([[0.5, 0.1], [0.8, 0.35], [0.2, 0.35], [0.9, 0.9], [0.1, 0.9]])
GREY = 128


def grey(width, height):
    return np.full((height, width, 3), GREY, dtype=np.uint8)


def draw(image, poses, **kwargs):
    return draw_poses(image, np.asarray(poses), LINKS, NAMES, **kwargs)


def touched(picture, image=GREY):
    """(H, W): where a picture changed so much that one sees it."""
    return np.abs(picture.astype(int) - image).max(axis=-1) > 40


def colour_at(picture, point):
    """RGB of the pixel that a point (x, y) lies in."""
    x, y = np.round(point).astype(int)
    return picture[y, x, ::-1].astype(int)


def is_colour(found, wanted, tolerance=60):
    return np.abs(found - np.array(wanted)).max() < tolerance


@pytest.mark.parametrize('size', [20, 100, 500, 2000])
def test_a_person_of_any_size_is_seen_and_not_buried(size):
    """Lines are drawn along the whole of each bone, and cover a small part of the person."""
    image = grey(size + 40, size + 40)
    pose = POSE * size + 20
    seen = touched(draw(image, [pose]))
    for a, b in LINKS:
        for part in np.linspace(0, 1, 20):
            x, y = np.round(pose[a] * (1 - part) + pose[b] * part).astype(int)
            assert seen[y, x]
    covered = seen.sum() / size**2
    assert 0.02 < covered < 0.4 if size == 20 else 0.02 < covered < 0.15


def test_width_goes_by_the_person_and_not_by_the_picture():
    def width(size, picture):
        pose = POSE * size + 10
        row = round((pose[1, 1] + pose[3, 1]) / 2)  # halfway down the left arm
        seen = touched(draw(grey(picture, picture), [pose]))
        return seen[row, round(pose[:, 0].mean()) :].sum()

    assert width(400, 500) == width(400, 2000)
    assert width(1600, 2000) == pytest.approx(4 * width(400, 2000), rel=0.2)


def test_left_and_right_differ_for_every_eye():
    pose = POSE * 400 + 20
    picture = draw(grey(440, 440), [pose])
    assert is_colour(colour_at(picture, (pose[1] + pose[3]) / 2), LEFT)
    assert is_colour(colour_at(picture, (pose[2] + pose[4]) / 2), RIGHT)
    assert is_colour(colour_at(picture, (pose[1] + pose[2]) / 2), MIDDLE)
    # What deuteranopes and protanopes keep of a colour, and tritanopes too, roughly: brightness,
    # blue against yellow, and red against green. Two of the three have to differ clearly.
    left, right = np.array(LEFT, float), np.array(RIGHT, float)
    weights = np.array([0.3, 0.6, 0.1])
    brightness = abs(weights @ left - weights @ right)
    blue_yellow = abs((left[2] - left[:2].mean()) - (right[2] - right[:2].mean()))
    red_green = abs((left[0] - left[1]) - (right[0] - right[1]))
    assert brightness > 30 and blue_yellow > 100 and red_green > 100


@pytest.mark.parametrize('name', ['left_eye', 'L_Eye', 'eye-left', 'Left Eye'])
def test_sides_are_read_from_the_words_of_a_name(name):
    picture = draw_poses(grey(60, 60), np.full((1, 1, 2), 30.0), [], [name], boxes=[[5, 5, 55, 55]])
    assert is_colour(colour_at(picture, (30, 30)), LEFT)


def test_a_letter_within_a_word_is_no_side():
    picture = draw_poses(
        grey(60, 60), np.full((1, 1, 2), 30.0), [], ['tail'], boxes=[[5, 5, 55, 55]]
    )
    assert is_colour(colour_at(picture, (30, 30)), MIDDLE)


def test_hidden_joints_are_hollow_and_unlabelled_ones_not_drawn():
    image = np.random.default_rng(0).integers(100, 150, (440, 440, 3), dtype=np.uint8)
    pose = POSE * 400 + 20
    pose[3] = 0  # as COCO writes an unlabelled keypoint
    picture = draw(image, [pose], visibility=np.array([[1, 2, 1, 0, 2]]))
    for hidden in (0, 2):
        x, y = np.round(pose[hidden]).astype(int)
        assert (picture[y - 1 : y + 2, x - 1 : x + 2] == image[y - 1 : y + 2, x - 1 : x + 2]).all()
        assert touched(picture[y - 15 : y + 16, x - 15 : x + 16], 125).any()
    assert is_colour(colour_at(picture, pose[1]), LEFT)
    assert (picture[:15, :15] == image[:15, :15]).all()
    # Nothing runs from the left shoulder to the corner.
    x, y = np.round(pose[1] / 2).astype(int)
    assert (picture[y - 5 : y + 6, x - 5 : x + 6] == image[y - 5 : y + 6, x - 5 : x + 6]).all()


def test_people_differ_by_the_rim_of_their_lines():
    poses = np.stack([POSE * 300 + 20, POSE * 300 + (370, 20)])
    picture = draw(grey(700, 340), poses)

    def tints(part):
        return {i for i, tint in enumerate(TINTS) if (part[..., ::-1] == tint).all(axis=-1).any()}

    assert tints(picture[:, :350]) == {0}
    assert tints(picture[:, 350:]) == {1}
    turned = draw(grey(700, 340), poses, identities=[5, 5 + len(TINTS)])
    assert tints(turned[:, :350]) == tints(turned[:, 350:]) == {5}


def test_the_best_person_is_on_top():
    poses = np.stack([POSE * 400 + 20] * 2)
    alone, both = draw(grey(440, 440), poses[:1]), draw(grey(440, 440), poses)
    inside = (alone[..., ::-1] == TINTS[0]).all(axis=-1)  # of the rim, without its smooth edge
    assert inside.any() and (both[inside] == alone[inside]).all()


def test_what_is_not_drawn_on_stays_and_the_input_too():
    image = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    image.flags.writeable = False
    picture = draw(image, [POSE * 60 + 20], labels=['0.87'], boxes=[[15, 15, 85, 85]])
    assert picture.shape == image.shape and picture.dtype == np.uint8
    assert (picture[100:] == image[100:]).all() and (picture[:, 100:] == image[:, 100:]).all()
    assert (picture != image).any()


@pytest.mark.parametrize('identity', range(len(TINTS)))
def test_labels_can_be_read_on_each_tint(identity):
    picture = draw(grey(300, 300), [POSE * 150 + 80], labels=['0.87'], identities=[identity])
    label = picture[60:90].astype(float) @ (0.114, 0.587, 0.299)  # brightness of BGR
    paper = np.array(TINTS[identity]) @ (0.299, 0.587, 0.114)
    assert np.abs(label - paper).max() > 110


def test_labels_stay_within_the_picture():
    image = grey(200, 200)
    picture = draw(image, [POSE * 60 + (180, -20)], labels=['7 0.93'])
    without = draw(image, [POSE * 60 + (180, -20)])
    changed = (picture != without).any(axis=-1)
    rows, columns = np.nonzero(changed)
    assert rows.min() == 0 and columns.max() == 199
    assert len(np.unique(picture[changed], axis=0)) > 5  # letters, with smooth edges


@pytest.mark.parametrize(
    'pose',
    [POSE * 0 + np.nan, POSE * 0 + np.inf, POSE * 50 - 500, POSE * 1e30],
    ids=['nan', 'inf', 'outside', 'far'],
)
def test_points_that_cannot_be_drawn_do_no_harm(pose):
    picture = draw(grey(50, 40), [pose], labels=['x'] if np.isfinite(pose).all() else None)
    assert picture.shape == (40, 50, 3)


def test_a_point_beyond_the_edge_is_drawn_up_to_the_edge():
    pose = POSE * 100 + (0, 0)
    seen = touched(draw(grey(100, 60), [pose]))
    assert seen[59].any()


def test_nobody_and_a_picture_of_one_pixel():
    assert (draw(grey(30, 20), np.zeros((0, 5, 2))) == GREY).all()
    assert draw(grey(1, 1), [POSE]).shape == (1, 1, 3)


def test_dots_of_a_crowded_face_do_not_merge():
    """Points 12 pixels apart on a person of 900 pixels, where a lone dot is 32 pixels wide."""
    points = np.array([[100 + 12 * i, 100] for i in range(10)] + [[300, 990]])
    picture = draw_poses(grey(340, 1020), points[None], [], ['left'] * len(points))
    rims = (picture[100, :, ::-1].astype(int) - TINTS[0]).max(axis=-1) < 60
    fills = (np.abs(picture[100, :, ::-1].astype(int) - LEFT).max(axis=-1)) < 60
    starts = np.diff(fills.astype(int)) == 1
    assert starts.sum() == 10 and rims.any()
