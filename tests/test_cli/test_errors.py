"""Mistakes in a config end in one line that names the part."""

import re

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import LOOPS, MODELS

from directpose.cli.errors import errors_as_messages
from directpose.errors import UserError
from tests.conftest import ROOT


@pytest.fixture
def model():
    init_default_scope('mmpose')
    path = ROOT / 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py'
    return Config.fromfile(path).model


def message_of(build):
    with pytest.raises(SystemExit) as raised, errors_as_messages('own/tiny.py'):
        build()
    return raised.value.code


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(regress_ranges=[(0, 9)]), 'BottomupPoseEstimator > DirectPoseHead: '),
        (dict(finest_groups=[['nose']]), 'BottomupPoseEstimator > DirectPoseHead: '),
        (dict(widht=3), "DirectPoseHead: .* unexpected keyword argument 'widht'"),
        (
            dict(type='DirectPoseHaed'),
            'tiny.py > BottomupPoseEstimator: DirectPoseHaed is not in',
        ),
        (
            dict(heatmap_branch=dict(type='Nothing')),
            '> DirectPoseHead: Nothing is not in .*: correct',
        ),
    ],
)
def test_the_file_the_part_and_the_reason_are_named(model, change, message):
    model.head.update(change)
    text = message_of(lambda: MODELS.build(model))
    assert text.startswith('error: own/tiny.py > ') and '\n' not in text
    assert re.search(message, text), text


def test_what_is_not_of_the_config_keeps_its_traceback():
    with pytest.raises(ValueError, match='a bug'), errors_as_messages():
        raise ValueError('a bug')


def test_errors_of_other_kinds_are_bugs():
    class Broken:
        def __init__(self):
            raise AttributeError('a bug')

    LOOPS.register_module('BrokenLoop', module=Broken, force=True)
    with pytest.raises(AttributeError, match='a bug'), errors_as_messages():
        LOOPS.build(dict(type='BrokenLoop'))


def test_the_traceback_can_be_had(model, monkeypatch):
    monkeypatch.setenv('DIRECTPOSE_TRACEBACK', '1')
    model.head.regress_ranges = [(0, 9)]
    with pytest.raises(ValueError), errors_as_messages():
        MODELS.build(model)
    with pytest.raises(UserError), errors_as_messages():
        raise UserError('no such file')


@pytest.mark.parametrize(
    'error, message',
    [
        (FileNotFoundError(2, 'No such file or directory', 'a.json'), 'a.json: No such file'),
        (OSError(28, 'No space left on device'), 'No space left on device .DIRECTPOSE_TRACEBACK'),
    ],
)
def test_files_and_disks_end_in_a_line(error, message):
    with pytest.raises(SystemExit, match=f'error: {message}'), errors_as_messages():
        raise error
