"""Warnings that nobody who runs a command can act on are not shown."""

import importlib
import warnings

import pytest

import directpose.cli


@pytest.mark.parametrize(
    'text, shown',
    [
        ('The metainfo config file "configs/_base_/datasets/coco.py" does not exist. A', False),
        ('The metainfo config file "data/mine/coco.py" does not exist. A matched', True),
        ('torch.meshgrid: in an upcoming release, it will be required to pass', False),
    ],
)
def test_only_what_can_be_mended_is_shown(text, shown):
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        importlib.reload(directpose.cli)
        warnings.warn(text, stacklevel=1)
    assert bool(caught) == shown
