"""Repairs of annotations: what is wrong is replaced, and what is right stays."""

import atexit
from pathlib import Path

import pytest

from directpose.datasets.reading import readable, without_byte_order_mark
from tests.coco_files import person

NAN = float('nan')
POLYGON = [[1, 1, 9, 1, 9, 9]]


def test_what_is_right_stays():
    ann = person({0: (3, 4), 5: (6.5, 7)}, area=17.5, iscrowd=1, segmentation=POLYGON)
    assert readable(ann) == ann


def test_a_keypoint_without_coordinates_is_not_labelled():
    ann = person({1: (3, 4)})
    ann['keypoints'][:3] = [NAN, 5, 0]
    assert readable(ann)['keypoints'] == person({1: (3, 4)})['keypoints']
    assert ann['keypoints'][1] == 5  # a copy was repaired


@pytest.mark.parametrize(
    'field, wrong, mended',
    [
        ('iscrowd', None, 0),
        ('iscrowd', True, 1),
        ('segmentation', None, []),
        ('segmentation', dict(counts=[9, 9], size=[48, 64]), []),
        ('num_keypoints', '16', 2),
        ('num_keypoints', 16.0, 2),
    ],
)
def test_wrong_fields_are_mended(field, wrong, mended):
    ann = person({0: (3, 4), 5: (6, 7)})
    repaired = readable(dict(ann, **{field: wrong}))
    assert repaired == dict(ann, **{field: mended})
    assert type(repaired[field]) is type(mended)


@pytest.mark.parametrize('area', ['17', None, NAN])
def test_an_area_that_is_not_a_number_is_left_out(area):
    """MMPose then takes a fraction of the box's area."""
    ann = person({0: (3, 4)}, area=area)
    assert readable(ann) == {key: value for key, value in ann.items() if key != 'area'}


@pytest.mark.parametrize('path', ['s3://bucket/people.json', 'no/such/file.json'])
def test_a_file_that_is_not_on_this_disk_is_not_read(path):
    assert without_byte_order_mark(path) == path


def test_a_file_without_a_byte_order_mark_is_not_copied(tmp_path):
    path = tmp_path / 'people.json'
    path.write_bytes(b'{}')
    assert without_byte_order_mark(str(path)) == str(path)


def test_the_copy_without_a_byte_order_mark_is_deleted_when_the_process_ends(tmp_path, monkeypatch):
    path = tmp_path / 'people.json'
    path.write_bytes(b'\xef\xbb\xbf{"images": []}')
    at_exit = []
    monkeypatch.setattr(
        atexit, 'register', lambda f, *args, **kwargs: at_exit.append((f, args, kwargs))
    )
    copy = Path(without_byte_order_mark(str(path)))
    assert copy.name == 'people.json' and copy != path
    assert copy.read_bytes() == b'{"images": []}'
    for function, args, kwargs in at_exit * 2:  # the second time the folder is gone already
        function(*args, **kwargs)
    assert not copy.parent.exists()
