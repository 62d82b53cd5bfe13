"""What other programs read of the poses."""

import json
import sys

import numpy as np
import pytest
from pycocotools.coco import COCO

from directpose.runtime import Poses, coco_file

NAMES = ['head', 'left_hand', 'right_hand']


def two_people(**fields):
    keypoints = np.array([[[10, 20], [30, 40], [50, 60]], [[-5, 70], [20, 30], [7, 8]]], np.float32)
    return Poses(
        keypoints,
        np.array([0.9, 0.4], np.float32),
        np.array([[10, 20, 50, 60], [0, 8, 20, 70]], np.float32),
        **{
            **dict(size=(100, 80), keypoint_names=NAMES, skeleton_links=[[0, 1], [0, 2]]),
            **fields,
        },
    )


def nobody():
    return Poses(
        np.zeros((0, 3, 2), np.float32),
        np.zeros(0, np.float32),
        np.zeros((0, 4), np.float32),
        size=(100, 80),
        keypoint_names=NAMES,
    )


def test_poses_are_three_arrays():
    keypoints, scores, boxes = two_people()
    assert keypoints.shape == (2, 3, 2) and scores.shape == (2,) and boxes.shape == (2, 4)


def test_a_copy_keeps_what_is_not_changed():
    copy = two_people().replace(identities=np.array([5, 6]))
    assert copy.size == (100, 80) and copy.keypoint_names == NAMES
    assert (
        copy.identities.tolist() == [5, 6] and copy.scores.tolist() == two_people().scores.tolist()
    )


def test_what_the_model_says_of_keypoints_goes_everywhere():
    rated = two_people(
        keypoint_scores=np.array([[0.9, 0.8, 0.1], [0.2, 0.3, 0.4]], np.float32),
        keypoints_hidden=np.array([[0.1, 0.5, 0.51], [0.9, 0.0, 1.0]], np.float32),
    )
    assert rated.visibility.tolist() == [[2, 2, 1], [1, 2, 1]]
    assert two_people().visibility.tolist() == [[2, 2, 2]] * 2
    second = rated.select(np.array([False, True]))
    assert second.size == (100, 80) and second.scores.tolist() == rated.scores[1:].tolist()
    assert second.visibility.tolist() == [[1, 2, 1]]
    assert rated.to_dict()['people'][0]['keypoint_scores'] == [0.9, 0.8, 0.1]
    assert rated.to_dict()['people'][1]['keypoints_hidden'] == [0.9, 0.0, 1.0]
    assert 'keypoint_scores' not in two_people().to_dict()['people'][0]
    assert rated.to_coco()[0]['keypoints'][2::3] == [2, 2, 1]
    assert rated.to_yolo().splitlines()[0].split()[7::3] == ['2', '2', '1']
    image = np.zeros((80, 100, 3), np.uint8)
    assert (rated.draw(image) != two_people().draw(image)).any()  # rings


def test_keypoints_of_low_score_are_drawn_as_if_they_were_not_there():
    image = np.full((80, 100, 3), 128, np.uint8)
    ratings = np.array([[0.9, 0.3, 0.1], [0.2, 0.1, 0.1]], np.float32)
    rated = two_people(keypoint_scores=ratings)
    kept = np.where(ratings[..., None] >= 0.3, rated.keypoints, np.nan)
    drawn = rated.draw(image, kpt_thr=0.3)
    assert (drawn == rated.replace(keypoints=kept).draw(image)).all()
    assert (drawn != image).any() and (drawn != rated.draw(image)).any()
    assert (rated.draw(image, kpt_thr=0.95) == image).all()
    hidden = rated.replace(keypoints_hidden=np.array([[0.1, 0.9, 0.9], [0.9] * 3], np.float32))
    assert (hidden.draw(image, kpt_thr=0.3) != drawn).any()  # a ring


def test_a_threshold_for_keypoints_needs_their_scores():
    image = np.full((80, 100, 3), 128, np.uint8)
    with pytest.raises(ValueError, match='does not rate keypoints'):
        two_people().draw(image, kpt_thr=0.3)


def test_a_size_of_numpy_can_be_written_as_json():
    poses = two_people().replace(size=tuple(np.array([40, 30])))
    assert json.loads(json.dumps(poses.to_dict())) == two_people().replace(size=(40, 30)).to_dict()


def test_to_dict_can_be_written_as_json():
    found = json.loads(json.dumps(two_people(identities=np.array([7, 3])).to_dict()))
    assert (found['width'], found['height'], found['keypoint_names']) == (100, 80, NAMES)
    assert found['people'][1] == dict(
        score=0.4, box=[0, 8, 20, 70], keypoints=[[-5, 70], [20, 30], [7, 8]], id=3
    )
    assert nobody().to_dict()['people'] == [] and 'id' not in two_people().to_dict()['people'][0]


def test_ids_of_numpy_can_be_written_as_json():
    ids = dict(image_id=np.int64(3), category_id=np.int32(2), first_id=np.int64(5))
    annotations = json.loads(json.dumps(two_people().to_coco(**ids)))
    assert [(one['id'], one['image_id'], one['category_id']) for one in annotations] == [
        (5, 3, 2),
        (6, 3, 2),
    ]


def test_coco_reads_the_file_and_its_annotations_as_results(tmp_path):
    file = tmp_path / 'poses.json'
    pictures = [('a.jpg', two_people()), ('b.jpg', nobody()), ('c.jpg', two_people())]
    file.write_text(json.dumps(coco_file(pictures)))
    coco = COCO(str(file))
    assert [coco.imgs[i]['file_name'] for i in (1, 2, 3)] == ['a.jpg', 'b.jpg', 'c.jpg']
    assert coco.imgs[2]['width'] == 100 and coco.imgs[2]['height'] == 80
    assert len(coco.getAnnIds(imgIds=[1])) == 2 and not coco.getAnnIds(imgIds=[2])
    (category,) = coco.loadCats(coco.getCatIds())
    assert category['keypoints'] == NAMES and category['skeleton'] == [[1, 2], [1, 3]]
    first = coco.loadAnns(coco.getAnnIds(imgIds=[3]))[0]
    assert first['keypoints'] == [10, 20, 2, 30, 40, 2, 50, 60, 2]
    assert first['bbox'] == [10, 20, 40, 40] and first['area'] == 1600
    results = coco.loadRes(json.loads(file.read_text())['annotations'])
    assert [ann['score'] for ann in results.anns.values()] == [0.9, 0.4, 0.9, 0.4]


def test_yolo_labels_are_in_parts_of_the_picture():
    first, second = two_people().to_yolo().splitlines()
    numbers = np.array([float(word) for word in first.split()])
    assert numbers[0] == 0
    np.testing.assert_allclose(numbers[1:5], [0.3, 0.5, 0.4, 0.5])  # centre, size
    np.testing.assert_allclose(numbers[5:8], [0.1, 0.25, 2])
    assert second.split()[5:8] == ['0', '0', '0']  # at x = -5
    assert nobody().to_yolo() == ''
    with pytest.raises(ValueError, match='size'):
        two_people(size=None).to_yolo()


def test_supervision_takes_the_keypoints():
    pytest.importorskip('supervision')
    found = two_people().to_supervision()
    np.testing.assert_array_equal(found.xy, two_people().keypoints)
    np.testing.assert_allclose(found.keypoint_confidence, [[0.9] * 3, [0.4] * 3], rtol=1e-6)
    assert len(nobody().to_supervision()) == 0


def test_missing_supervision_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'supervision', None)
    with pytest.raises(ImportError, match='pip install .directpose.supervision'):
        two_people().to_supervision()


def test_a_package_that_supervision_lacks_is_not_taken_for_supervision(monkeypatch, tmp_path):
    (tmp_path / 'supervision.py').write_text('import no_such_package')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'supervision', raising=False)
    with pytest.raises(ModuleNotFoundError, match='no_such_package'):
        two_people().to_supervision()


def test_replace_of_named_tuples_keeps_all_fields():
    poses = two_people()._replace(scores=np.zeros(2))
    assert poses.scores.tolist() == [0, 0] and poses.size == two_people().size
    assert poses.keypoint_names == two_people().keypoint_names


def test_draws_on_every_array_that_a_model_takes():
    grey = np.full((80, 100), 128, np.uint8)
    expected = two_people().draw(np.repeat(grey[..., None], 3, axis=2))
    opaque = np.dstack([grey, grey, grey, np.full_like(grey, 7)])
    for image in (grey, grey[..., None], opaque):
        assert (two_people().draw(image) == expected).all()
    with pytest.raises(ValueError, match='float64'):
        two_people().draw(grey.astype(float))


def test_draws_people_and_texts_on_request():
    image = np.full((80, 100, 3), 128, np.uint8)
    plain = two_people().draw(image)
    assert (plain != image).any() and (image == 128).all()
    for options in (dict(boxes=True), dict(scores=True)):
        assert (two_people().draw(image, **options) != plain).any()
    assert (two_people(identities=np.array([1, 2])).draw(image) != plain).any()
    assert (nobody().draw(image, boxes=True, scores=True) == image).all()
