"""Drawn mice: a data set of keypoints that are not COCO's."""

import json

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from directpose.dataset_check import check_annotations, load_annotations
from tests.conftest import ROOT
from tests.load_tool import load_tool

tool = load_tool('tools/dataset_converters/make_drawn_mice.py')
CONFIG = ROOT / 'configs/directpose/directpose_efficientnet-lite0_fpn_1xb8-420_mice.py'


@pytest.fixture(scope='module')
def mice(tmp_path_factory):
    root = tmp_path_factory.mktemp('mice')
    tool.write_mice(root, num_train=12, num_val=4)
    return root


def read(root, split):
    return json.loads((root / f'annotations/{split}.json').read_text())


def test_annotations_are_sound(mice, tmp_path):
    metainfo = tmp_path / 'metainfo.py'
    of_config = dict(Config.fromfile(CONFIG).metainfo)
    metainfo.write_text(f'dataset_info = {of_config!r}\n')
    for split, number in (('train', 12), ('val', 4)):
        file = str(mice / f'annotations/{split}.json')
        data = load_annotations(file, str(mice / 'images'), str(metainfo))
        findings = check_annotations(data, min_keypoints=1)
        assert [finding.kind for finding in findings] == ['sigmas-default']
        assert len(read(mice, split)['images']) == number


def test_keypoints_lie_on_the_mice(mice):
    """The ears and the tail are pink, whatever the fur and the floor."""
    content = read(mice, 'train')
    for annotation in content['annotations']:
        image = cv2.imread(str(mice / f'images/{annotation["image_id"]}.jpg'))
        points = np.array(annotation['keypoints']).reshape(-1, 3)[:, :2]
        assert (points > 0).all() and (points < tool.SIZE).all()
        for x, y in np.round(points[1:3]).astype(int):
            np.testing.assert_allclose(
                image[y - 1 : y + 2, x - 1 : x + 2].mean((0, 1)), (150, 150, 220), atol=20
            )


def test_left_is_left(mice):
    """Looking from tail to snout, with y pointing down, the left ear is at the left."""
    for annotation in read(mice, 'train')['annotations']:
        points = np.array(annotation['keypoints']).reshape(-1, 3)[:, :2]
        snout, left, right, tail = points[:4]
        (ahead_x, ahead_y), (side_x, side_y) = snout - tail, right - left
        assert ahead_x * side_y - ahead_y * side_x > 0


def test_seed_decides_on_every_byte(mice, tmp_path):
    tool.write_mice(tmp_path / 'again', num_train=12, num_val=4)
    tool.write_mice(tmp_path / 'other', num_train=12, num_val=4, seed=1)
    for name in ('images/3.jpg', 'annotations/val.json'):
        bytes_ = (mice / name).read_bytes()
        assert (tmp_path / 'again' / name).read_bytes() == bytes_
        assert (tmp_path / 'other' / name).read_bytes() != bytes_


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / 'file').touch()
    monkeypatch.setattr('sys.argv', ['make_drawn_mice.py', str(tmp_path / 'file')])
    with pytest.raises(SystemExit, match='^2$'):
        tool.main()
    assert 'is a file; name a folder' in capsys.readouterr().err


def test_a_full_disk_is_an_error(tmp_path, monkeypatch):
    """cv2.imwrite would return True."""
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / '1.jpg').symlink_to('/dev/full')
    monkeypatch.setattr('sys.argv', ['make_drawn_mice.py', str(tmp_path)])
    with pytest.raises(SystemExit, match='cannot be written: No space left on device'):
        tool.main()
