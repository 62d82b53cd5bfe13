"""The Python of docs/en/predict.md, as it is written there."""

import re

import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.tiny_model import tiny_file


@pytest.mark.parametrize('index', [0, 1])
def test_snippets_run(tmp_path, monkeypatch, index):
    page = (ROOT / 'docs/en/predict.md').read_text()
    snippet = re.findall(r'```python\n(.*?)```', page, flags=re.DOTALL)[index]
    if 'video' in snippet:
        pytest.importorskip('av')
        from tests.test_runtime.test_video import write_video

        write_video(tmp_path / 'clip.mp4')
    monkeypatch.chdir(tmp_path)
    tiny_file(tmp_path / 'model.onnx')
    Image.new('RGB', (64, 32), (20, 20, 20)).save(tmp_path / 'photo.jpg')
    exec(compile(snippet, 'predict.md', 'exec'), {})


def test_commands_are_understood(monkeypatch):
    """Each command of the page has options that exist."""
    from directpose.cli.predict import parse_args

    page = (ROOT / 'docs/en/predict.md').read_text()
    commands = re.findall(r'^directpose predict (.*)$', page, flags=re.MULTILINE)
    assert len(commands) == 6
    for command in commands:
        parse_args(command.replace('"', '').split())
