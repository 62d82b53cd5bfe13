"""The examples in the docstrings of the package run and print what they say."""

import doctest
import importlib

import pytest

from tests.conftest import ROOT

FILES = [
    file.relative_to(ROOT)
    for file in sorted((ROOT / 'directpose').rglob('*.py'))
    if '>>> ' in file.read_text()
]


@pytest.mark.parametrize('file', FILES, ids=str)
def test_examples(file):
    module = importlib.import_module('.'.join(file.with_suffix('').parts))
    failed, attempted = doctest.testmod(module)
    assert attempted and not failed


def test_the_head_and_the_runtime_have_an_example():
    names = {str(file) for file in FILES}
    assert names >= {'directpose/models/directpose_head.py', 'directpose/runtime/model.py'}
