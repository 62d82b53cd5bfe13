"""The demo's command line, on drawn pictures."""

import importlib.util
import json
import sys

import cv2
import pytest
import torch

from directpose.analysis import Subject, read_config, write_picture

TINY = 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py'


@pytest.fixture
def demo(monkeypatch):
    def call(*args):
        spec = importlib.util.spec_from_file_location('image_demo', 'demo/image_demo.py')
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)
        monkeypatch.setattr(sys, 'argv', ['image_demo', *map(str, args)])
        tool.main()

    return call


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A model that sees people everywhere."""
    torch.manual_seed(0)
    model = Subject(read_config(TINY)).model
    torch.nn.init.constant_(model.head.conv_cls.bias, 3.0)
    torch.nn.init.constant_(model.head.conv_centerness.bias, 3.0)
    path = tmp_path_factory.mktemp('model') / 'model.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    for name, size in (('one', (120, 160)), ('two', (160, 120))):
        write_picture(str(folder / f'{name}.jpg'), size)
    return folder


@pytest.mark.parametrize('options', [[], ['--optimize', 'fp32']])
def test_draws_and_writes_what_it_finds(demo, checkpoint, pictures, tmp_path, options):
    out = tmp_path / 'poses'
    demo(pictures, TINY, checkpoint, '--out-dir', out, '--device', 'cpu', *options)
    for name in ('one', 'two'):
        drawn = cv2.imread(str(out / f'visualizations/{name}.jpg'))
        assert drawn.shape == cv2.imread(str(pictures / f'{name}.jpg')).shape
        people = json.loads((out / f'predictions/{name}.json').read_text())
        assert people and len(people[0]['keypoints']) == 17


def test_weights_of_another_model_are_refused(demo, pictures, tmp_path):
    other = tmp_path / 'other.pth'
    torch.save(dict(state_dict=dict(weight=torch.zeros(1))), other)
    with pytest.raises(SystemExit, match='other.pth: lacks .* weights'):
        demo(pictures, TINY, other, '--out-dir', tmp_path / 'poses')


def test_a_folder_without_pictures_is_refused(demo, checkpoint, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(SystemExit, match='empty has no pictures'):
        demo(tmp_path / 'empty', TINY, checkpoint, '--out-dir', tmp_path / 'poses')


def test_what_is_missing_is_named(demo, checkpoint, tmp_path):
    with pytest.raises(SystemExit, match='gone.jpg does not exist'):
        demo(tmp_path / 'gone.jpg', TINY, checkpoint)
