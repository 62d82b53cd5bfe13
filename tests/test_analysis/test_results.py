"""Errors of keypoints and of people, on pictures whose answers are known."""

import json

import cv2
import numpy as np
import pytest

from directpose.analysis.keypoint_errors import KINDS, KeypointErrors, classify
from directpose.analysis.people_errors import PeopleErrors
from directpose.analysis.results import Results, similarity
from tests.load_tool import load_tool

COCO = dict(from_file='configs/_base_/datasets/coco.py')
AREA = 100.0**2
# a pose without two keypoints near each other, about 130 px wide and high
POSE = np.array([[10 + 30 * (k % 5), 10 + 40 * (k // 5)] for k in range(17)], dtype=float)
NOSE, LEFT_WRIST, RIGHT_WRIST, LEFT_ANKLE, RIGHT_ANKLE = 0, 9, 10, 15, 16


def moved(x, y, pose=POSE):
    return pose + np.array([x, y])


def annotation(number, image, pose, visible=2, **fields):
    keypoints = np.concatenate([pose, np.broadcast_to(visible, 17)[:, None]], axis=1)
    corner, size = pose.min(axis=0), np.ptp(pose, axis=0)
    return (
        dict(
            id=number,
            image_id=image,
            category_id=1,
            iscrowd=0,
            area=AREA,
            bbox=[*corner, *size],
            num_keypoints=int((keypoints[:, 2] > 0).sum()),
            keypoints=keypoints.ravel().tolist(),
        )
        | fields
    )


def prediction(image, pose, score):
    keypoints = np.concatenate([pose, np.ones((17, 1))], axis=1)
    return dict(image_id=image, category_id=1, keypoints=keypoints.ravel().tolist(), score=score)


@pytest.fixture
def write(tmp_path):
    """Write annotations and predictions, and give the two files."""

    def write(annotations, predictions, num_images=2, other_categories=()):
        images = [
            dict(id=i, file_name=f'{i}.png', width=400, height=300)
            for i in range(1, num_images + 1)
        ]
        names = [f'k{k}' for k in range(17)]
        data = dict(
            images=images,
            annotations=annotations,
            categories=[*other_categories, dict(id=1, name='person', keypoints=names)],
        )
        files = tmp_path / 'results.keypoints.json', tmp_path / 'annotations.json'
        files[0].write_text(json.dumps(predictions))
        files[1].write_text(json.dumps(data))
        return tuple(map(str, files))

    return write


@pytest.fixture
def one_of_each(write):
    """Two people far from each other; the first one's prediction has an error of each kind."""
    sigmas = Results(*write([], []), COCO).sigmas
    other = moved(230, 60)
    guess = POSE.copy()
    # from the definition exp(-d^2 / (2 area (2 sigma)^2)) = 0.7
    guess[NOSE, 1] -= np.sqrt(-2 * np.log(0.7) * AREA) * 2 * sigmas[NOSE]
    guess[[LEFT_WRIST, RIGHT_WRIST]] = guess[[RIGHT_WRIST, LEFT_WRIST]]
    guess[LEFT_ANKLE] = other[LEFT_ANKLE]
    guess[RIGHT_ANKLE] = (-500, -500)
    annotations = [annotation(1, 1, POSE), annotation(2, 1, other)]
    return Results(
        *write(annotations, [prediction(1, guess, 0.5), prediction(1, other, 0.9)]), COCO
    )


def test_kinds_of_errors(one_of_each):
    errors = KeypointErrors(one_of_each)
    kinds = [KINDS[kind] for kind in errors.kinds[0]]
    wanted = ['good'] * 17
    wanted[NOSE], wanted[LEFT_ANKLE], wanted[RIGHT_ANKLE] = 'jitter', 'swap', 'miss'
    wanted[LEFT_WRIST] = wanted[RIGHT_WRIST] = 'inversion'
    assert kinds == wanted
    assert (errors.kinds[1] == KINDS.index('good')).all()
    assert errors.counts().sum(axis=0).tolist() == [29, 1, 2, 1, 1]
    means = errors.mean_similarities()
    np.testing.assert_allclose(means[[NOSE, 5, RIGHT_ANKLE]], [0.85, 1, 0.5], atol=1e-6)


def test_corrected_keypoints_are_as_similar_as_the_paper_says(one_of_each):
    errors = KeypointErrors(one_of_each)
    found = similarity(errors.corrected[0], POSE, AREA, one_of_each.sigmas)
    wanted = np.ones(17)
    wanted[NOSE], wanted[RIGHT_ANKLE] = 0.85, 0.5
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def precision(oks):
    """AP of one perfect person, and of a second one with this OKS and a lower score."""
    thresholds = np.arange(0.5, 0.96, 0.05)
    # Recall 0.5 with the first alone, which is 51 of COCO's 101 points.
    return np.mean(np.where(oks >= thresholds - 1e-9, 1, 51 / 101))


def test_average_precision_with_errors_corrected(one_of_each):
    errors = KeypointErrors(one_of_each)
    assert errors.average_precision() == pytest.approx(precision((12 + 0.7) / 17))
    assert errors.average_precision('jitter') == pytest.approx(precision((12 + 0.85) / 17))
    assert errors.average_precision('inversion') == pytest.approx(precision((14 + 0.7) / 17))
    assert errors.average_precision('swap') == pytest.approx(precision((13 + 0.7) / 17))
    assert errors.average_precision('miss') == pytest.approx(precision((12 + 1.2) / 17))
    assert errors.average_precision(*KINDS) == pytest.approx(precision((15 + 1.35) / 17))


def test_unlabelled_keypoints_are_not_compared(write):
    visible = np.full(17, 2)
    visible[NOSE] = 0
    guess = POSE.copy()
    guess[NOSE] += 1000
    results = Results(*write([annotation(1, 1, POSE, visible)], [prediction(1, guess, 0.9)]), COCO)
    errors = KeypointErrors(results)
    assert errors.kinds[0].tolist() == [-1] + [KINDS.index('good')] * 16
    assert np.isnan(errors.mean_similarities()[NOSE])
    np.testing.assert_array_equal(errors.corrected[0], guess)


def test_kinds_equal_a_slow_loop():
    """Of random points, written as the paper words it."""
    rng = np.random.default_rng(0)
    flip = np.array([0, 2, 1, 3])
    sigmas = rng.uniform(0.05, 0.1, 4)
    counts = np.zeros(len(KINDS), int)
    for _ in range(300):
        people = rng.uniform(0, 60, (3, 4, 2))
        areas = rng.uniform(40, 100, 3) ** 2
        labelled = rng.random((3, 4)) < 0.8
        guess = rng.uniform(0, 60, (4, 2))
        kinds, _ = classify(guess, 1, people, labelled, areas, sigmas, flip)
        for k in range(4):
            near = {}  # where the guess is near, and how near
            for m in range(3):
                for role, j in (('same', k), ('mirror', flip[k])):
                    if labelled[m, j] and not (role == 'mirror' and flip[k] == k):
                        d = np.hypot(*(guess[k] - people[m, j]))
                        near[m, role] = np.exp(-(d**2) / (2 * areas[m] * (2 * sigmas[k]) ** 2))
            if not labelled[1, k]:
                wanted = None
            elif not near or max(near.values()) < 0.5:
                wanted = 'miss'
            else:
                m, role = max(near, key=near.get)
                close = 'good' if near[m, role] >= 0.85 else 'jitter'
                wanted = 'swap' if m != 1 else 'inversion' if role == 'mirror' else close
            assert (None if kinds[k] < 0 else KINDS[kinds[k]]) == wanted
            if wanted:
                counts[KINDS.index(wanted)] += 1
    assert (counts > 10).all(), counts


@pytest.fixture
def crowd(write):
    """Picture 1: three neighbours, one of them missed. Picture 2: a person, a crowd, inventions."""
    small = 0.2 * POSE
    annotations = [
        annotation(1, 1, POSE),
        annotation(2, 1, moved(30, 0)),
        annotation(3, 1, moved(60, 0)),
        annotation(4, 2, POSE),
        annotation(5, 2, moved(200, 200, small), area=20.0**2),
        annotation(6, 2, moved(250, 0), visible=0, num_keypoints=0),
    ]
    predictions = [
        prediction(1, POSE, 0.9),
        prediction(1, moved(30, 0), 0.7),
        prediction(2, POSE, 0.8),
        prediction(2, moved(2, 2), 0.6),  # a duplicate
        prediction(2, moved(300, 200, small), 0.3),  # far from everybody
        prediction(2, moved(250, 0), 0.95),  # on the one without labels: not counted
    ]
    return write(annotations, predictions)


def test_people_missed_and_invented(crowd):
    errors = PeopleErrors(Results(*crowd, COCO), score_thr=0.0)
    groups = {
        kind: {row.name: tuple(row[1:]) for row in rows} for kind, rows in errors.groups().items()
    }
    assert groups == {
        'size': {
            'below 32 px': (1, 1, 1, 1),
            '32 to 96 px': (0, 0, 0, 0),
            'above 96 px': (4, 1, 4, 1),
        },
        'crowding': {'nobody': (2, 1, 2, 1), '1 or 2': (3, 1, 3, 1), '3 or more': (0, 0, 0, 0)},
    }
    assert errors.worst_pictures() == [(2, 1, 2), (1, 1, 0)]


def test_a_person_whose_box_is_empty_is_counted(write):
    annotations = [annotation(1, 1, POSE, bbox=[5, 5, 0, 0]), annotation(2, 1, moved(30, 0))]
    groups = PeopleErrors(Results(*write(annotations, []), COCO)).groups()
    assert [row.annotated for row in groups['crowding']] == [2, 0, 0]


def test_no_more_predictions_of_a_picture_count_than_coco_takes(write):
    guesses = [prediction(1, moved(500 + i, 0), 0.5 + i / 100) for i in range(25)]
    results = Results(*write([annotation(1, 1, POSE)], guesses), COCO)
    errors = PeopleErrors(results, score_thr=0.0)
    assert errors.worst_pictures() == [(1, 1, 20)]
    assert errors.counted.tolist() == [False] * 5 + [True] * 20  # those with the best scores


def test_default_threshold_has_the_best_f1(crowd):
    errors = PeopleErrors(Results(*crowd, COCO))
    # F1 over the scores 0.9, 0.8, 0.7, 0.6, 0.3: 2/6, 4/7, 6/8, 6/9, 6/10
    assert errors.score_thr == 0.7
    assert len(errors.found) == 3
    assert errors.worst_pictures() == [(1, 1, 0), (2, 1, 0)]


def test_a_default_threshold_takes_all_predictions_of_one_score(write):
    """One right prediction of the four with 0.5, taken alone, would give the best F1."""
    people = [annotation(i, i, POSE) for i in (1, 2, 3)]
    guesses = [prediction(1, POSE, 0.9), prediction(2, POSE, 0.5)]
    guesses += [prediction(3, moved(500 + i, 0), 0.5) for i in range(3)]
    assert PeopleErrors(Results(*write(people, guesses, 3), COCO)).score_thr == 0.9


def test_people_are_those_whom_coco_counts(write):
    """``num_keypoints`` decides, also where it is not the number of labelled keypoints."""
    uncounted = annotation(1, 1, POSE, num_keypoints=0)
    counted = annotation(2, 2, POSE, visible=0, num_keypoints=17)
    results = Results(*write([uncounted, counted], [prediction(2, POSE, 0.9)]), COCO)
    errors = PeopleErrors(results)
    assert [person['image_id'] for person in errors.annotated] == [2]
    assert len(errors.found) == 1 and errors.worst_pictures() == []
    assert (KeypointErrors(results).kinds == -1).all()


def test_a_category_that_nobody_has_changes_nothing(write):
    """Some annotation tools write a category 0 that stands for all others, and has no people."""
    files = write(
        [annotation(1, 1, POSE)],
        [prediction(1, POSE, 0.9)],
        other_categories=[dict(id=0, name='people', supercategory='none')],
    )
    results = Results(*files, COCO)
    assert results.match(0.5).person_of == {0: 1}
    assert results.average_precision() == pytest.approx(1)


def test_calibration(crowd):
    bins, error = PeopleErrors(Results(*crowd, COCO)).calibration()
    assert [(b.low, b.number, b.right) for b in bins] == [
        (0.3, 1, 0),
        (0.6, 1, 0),
        (0.7, 1, 1),
        (0.8, 1, 1),
        (0.9, 1, 1),
    ]
    assert error == pytest.approx((0.3 + 0.6 + 0.3 + 0.2 + 0.1) / 5)


tool = load_tool('tools/analysis_tools/analyze_results.py')


def test_command_writes_numbers_and_pictures(crowd, tmp_path, capsys):
    for name in '12':
        cv2.imwrite(str(tmp_path / f'{name}.png'), np.full((300, 400, 3), 90, np.uint8))
    out = tmp_path / 'out'
    tool.main([*crowd, '--images', str(tmp_path), '--out-dir', str(out)])
    text = capsys.readouterr().out
    assert '5 people annotated, 3 found, 0 invented, with score >= 0.700' in text
    summary = json.loads((out / 'analysis.json').read_text())
    # Of 4 found and 5 annotated: found is 3, and no keypoint is wrong.
    assert summary['keypoints']['nose']['good'] == 3
    assert summary['people']['size'][0] == dict(
        name='below 32 px', annotated=1, missed=1, predicted=0, invented=0
    )
    sheet = cv2.imread(str(out / 'worst.jpg'))
    assert sheet.shape == (2 * (24 + 360), 2 * tool.TILE, 3)
    left, right = np.hsplit(sheet[24:384].astype(int), 2)
    drawn = [(abs(half - 90) > 60).any(axis=-1).sum() for half in (left, right)]
    assert drawn[0] > drawn[1] > 1000  # three people at the left, two at the right
    for name in ('keypoints.png', 'calibration.png'):
        assert cv2.imread(str(out / name)).std() > 10


def test_an_output_that_is_a_file_is_refused_before_the_work(crowd, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(SystemExit, match='this is a file; give a folder'):
        tool.main([*crowd, '--out-dir', str(tmp_path / 'file')])


def test_a_picture_of_one_row_has_its_place_on_the_sheet(write, tmp_path):
    files = write([annotation(1, 1, POSE)], [])
    cv2.imwrite(str(tmp_path / '1.png'), np.full((1, 3000, 3), 90, np.uint8))
    tool.main([*files, '--images', str(tmp_path), '--out-dir', str(tmp_path / 'out')])
    assert (tmp_path / 'out/worst.jpg').is_file()


def test_a_picture_without_a_file_name_is_named(write, tmp_path):
    files = write([annotation(1, 1, POSE)], [])
    ann_file = tmp_path / 'annotations.json'
    data = json.loads(ann_file.read_text())
    del data['images'][0]['file_name']
    ann_file.write_text(json.dumps(data))
    with pytest.raises(SystemExit, match='picture 1 .* no `file_name`'):
        tool.main([*files, '--images', str(tmp_path), '--out-dir', str(tmp_path / 'out')])


def test_nobody_predicted(write, tmp_path, capsys):
    files = write([annotation(1, 1, POSE)], [])
    cv2.imwrite(str(tmp_path / '1.png'), np.full((300, 400, 3), 90, np.uint8))
    tool.main([*files, '--images', str(tmp_path), '--out-dir', str(tmp_path / 'out')])
    text = capsys.readouterr().out
    assert (tmp_path / 'out/worst.jpg').is_file()
    assert 'AP 0.0;' in text
    assert '1 people annotated, 0 found, 0 invented' in text


def broken(entry, **changes):
    return [{key: value for key, value in (entry | changes).items() if value is not None}]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(keypoints=[1.0] * 42), 'has 42 numbers in `keypoints`.*17 keypoints'),
        (dict(image_id=99), 'is of the picture 99'),
        (dict(image_id=[1]), 'entry 0 is not an object with an `image_id`'),
        (dict(image_id=None), 'entry 0 is not an object with an `image_id`'),
        (dict(keypoints=['1'] * 51), 'entry 0 has `keypoints` that are no finite numbers'),
        (dict(keypoints='none'), 'entry 0 has `keypoints` that are no finite numbers'),
        (dict(score=None), 'entry 0 has no finite number as its `score`'),
        (dict(keypoints=[float('nan')] * 51), 'entry 0 has `keypoints` that are no finite numbers'),
        (dict(score='high'), 'entry 0 has no finite number as its `score`'),
    ],
)
def test_predictions_that_do_not_fit_are_refused(write, changes, message):
    files = write([annotation(1, 1, POSE)], broken(prediction(1, POSE, 0.5), **changes))
    with pytest.raises(SystemExit, match=message):
        tool.main([*files])


@pytest.mark.parametrize('field', ['area', 'bbox', 'iscrowd', 'num_keypoints'])
def test_annotations_that_the_metric_cannot_read_are_refused(write, field):
    annotations = [annotation(1, 1, POSE), *broken(annotation(2, 1, POSE), **{field: None})]
    files = write(annotations, [prediction(1, POSE, 0.5)])
    with pytest.raises(SystemExit, match=f'annotations.json: entry 1 lacks {field}, which COCO'):
        tool.main([*files])


def test_people_without_areas_have_those_of_mmposes_metric(write, capsys):
    """CrowdPose has no areas, and is tested with use_area=False."""
    box = [0.0, 0.0, 120.0, 100.0]
    files = write(
        broken(annotation(1, 1, POSE), area=None, bbox=box), [prediction(1, moved(9, 0), 0.5)]
    )
    results = Results(*files, COCO)
    # From the definition of OKS.
    area = 0.53 * 120 * 100
    oks = np.exp(-(9**2) / (2 * area * (2 * results.sigmas) ** 2)).mean()
    assert results.average_precision() == pytest.approx((oks >= np.arange(0.5, 0.96, 0.05)).mean())
    tool.main([*files])
    assert 'nobody has an area: 0.53 times that of the box' in capsys.readouterr().out


def test_the_five_lists_of_whole_body_are_joined(tmp_path):
    rng = np.random.default_rng(0)
    pose = rng.uniform(0, 300, (133, 2))
    points = np.concatenate([pose, np.full((133, 1), 2.0)], axis=1)
    counts = dict(keypoints=17, foot_kpts=6, face_kpts=68, lefthand_kpts=21, righthand_kpts=21)
    parts = np.split(points, np.cumsum([*counts.values()])[:-1])
    person = annotation(1, 1, POSE) | {
        name: part.ravel().tolist() for name, part in zip(counts, parts)
    }
    files = tmp_path / 'results.json', tmp_path / 'annotations.json'
    files[0].write_text(
        json.dumps([dict(image_id=1, category_id=1, keypoints=points.ravel().tolist(), score=0.5)])
    )
    files[1].write_text(
        json.dumps(
            dict(
                images=[dict(id=1, file_name='1.png', width=400, height=300)],
                annotations=[person],
                categories=[dict(id=1, name='person')],
            )
        )
    )
    metainfo = dict(from_file='configs/_base_/datasets/coco_wholebody.py')
    results = Results(*map(str, files), metainfo)
    assert results.average_precision() == pytest.approx(1)
    assert KeypointErrors(results).counts()[:, KINDS.index('good')].tolist() == [1] * 133
    data = json.loads(files[1].read_text())
    data['annotations'][0]['foot_kpts'] = 5
    files[1].write_text(json.dumps(data))
    with pytest.raises(ValueError, match='entry 0 has no list as its `foot_kpts`'):
        Results(*map(str, files), metainfo)


def test_nothing_is_said_about_pictures_where_nobody_is_annotated(write):
    files = write([annotation(1, 1, POSE, visible=0)], [prediction(1, POSE, 0.5)])
    with pytest.raises(SystemExit, match='annotations.json: nobody has labelled keypoints'):
        tool.main([*files])


def test_files_of_another_kind_are_refused(write, tmp_path):
    results, annotations = write([annotation(1, 1, POSE)], [])
    with pytest.raises(SystemExit, match='is not a COCO annotation file: it holds a list'):
        tool.main([results, results])
    with pytest.raises(SystemExit, match='not a list of predictions'):
        tool.main([annotations, annotations])
    for content in ('[1, 2]', '[[]]', '[{"img_id": 1, "people": [7]}]'):
        (tmp_path / 'odd.json').write_text(content)
        with pytest.raises(SystemExit, match='entry 0 is not an object with an `image_id`'):
            tool.main([str(tmp_path / 'odd.json'), annotations])
    (tmp_path / 'odd.json').write_text('{"images": [1], "annotations": [], "categories": []}')
    with pytest.raises(SystemExit, match='needs "images", a list of dicts'):
        tool.main([results, str(tmp_path / 'odd.json')])
    (tmp_path / 'poses.pkl').write_bytes(b'\x80\x04')
    with pytest.raises(SystemExit, match='cannot be read as JSON'):
        tool.main([str(tmp_path / 'poses.pkl'), annotations])
    with pytest.raises(SystemExit, match='no_such'):
        tool.main([results, annotations, '--metainfo', 'no_such.py'])
