"""The documentation: its first screen, links and the site; test_docs_run.py runs the rest."""

import ast
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from directpose.__main__ import main
from directpose.packaged import EXAMPLES
from directpose.runtime import DirectPose
from tests.conftest import ROOT

PAGES = [ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md')]
PAGES += [*sorted(ROOT.glob('docs/*.md')), *sorted(ROOT.glob('docs/en/**/*.md'))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page, as written."""
    return re.findall(rf'^```{language}\n(.*?)^```', page.read_text(), re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r'^```.*?^```', '', page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r'^#+ (.+)$', text, re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', h.lower()).replace(' ', '-') for h in headings}


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_links_lead_somewhere(page):
    text = re.sub(r'^```.*?^```', '', page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r'\]\(([^)\s]+)\)', text):
        if '://' in target:
            continue
        path, _, anchor = target.partition('#')
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f'{target}: no such file'
        if anchor:
            assert anchor in anchors(file), f'{target}: no such heading'


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_python_snippets_compile_and_their_imports_resolve(page):
    for source in blocks(page, 'python'):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                modules = [(alias.name, None) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [(node.module, alias.name) for alias in node.names]
            else:
                continue
            for module, name in modules:
                if module.split('.')[0] != 'directpose':
                    # Another project's module may not be installed here.
                    continue
                imported = importlib.import_module(module)
                assert name is None or hasattr(imported, name), f'{module} has no {name}'


def test_steps_around_the_exported_file_are_those_of_the_runtime():
    (source,) = (b for b in blocks(ROOT / 'docs/en/deployment.md', 'python') if 'image_sizes' in b)
    model = DirectPose('directpose-tiny', score_thr=0.3, threads=1)
    for path in EXAMPLES:
        names: dict = {}
        written = source.replace("'model.onnx'", repr(model.path))
        exec(written.replace("'picture.jpg'", repr(str(path))), names)
        poses = model(path)
        assert len(poses.scores) == 3
        np.testing.assert_allclose(names['keypoints'], poses.keypoints, atol=1e-3)
        np.testing.assert_allclose(names['scores'][0][names['found']], poses.scores, atol=1e-6)


def test_first_screen_of_the_readme(tmp_path, monkeypatch):
    """Its commands and its snippet run as written, and its picture is what the commands write."""
    monkeypatch.chdir(tmp_path)
    Path('directpose').symlink_to(ROOT / 'directpose')
    install, predict = blocks(ROOT / 'README.md', 'bash')[0].splitlines()
    assert install == 'pip install .'
    assert main(shlex.split(predict)[1:]) == 0
    shown = pixels(ROOT / 'docs/images/poses.jpg')
    left, right = (pixels(Path('poses', path.name)) for path in EXAMPLES)
    assert np.abs(shown[:, : left.shape[1]] - left).mean() < 3
    top = (len(shown) - len(right)) // 2
    assert np.abs(shown[top : top + len(right), -right.shape[1] :] - right).mean() < 3

    Path('picture.jpg').symlink_to(EXAMPLES[0])
    names: dict = {}
    exec(blocks(ROOT / 'README.md', 'python')[0], names)
    assert names['keypoints'].shape == (3, 17, 2)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path), dtype=int)


def test_times_of_the_readme_are_those_of_the_page_about_speed():
    readme, speed = (ROOT / 'README.md').read_text(), (ROOT / 'docs/en/speed.md').read_text()
    people, ours, theirs = (
        re.search(rf'^\| {row}[^|]* \|((?: [\d.]+ \|)+)$', readme, re.MULTILINE)[1].split(' | ')
        for row in ('people', 'DirectPose', 'a top-down')
    )
    assert len(people) == len(ours) == len(theirs) == 5
    for row in zip(people, ours, theirs, strict=True):
        number, a, b = (cell.strip(' |') for cell in row)
        assert re.search(rf'^\| {number} \| {a} \| {b} \| [\d.]+ \|$', speed, re.MULTILINE)


# Messages of other libraries that the page of troubleshooting explains.
OTHERS = (
    "ModuleNotFoundError: No module named 'pkg_resources'",
    'MMCV==... is used but incompatible. Please install mmcv>=2.0.0rc4, <2.2.0',
    'chumpy',
    'numpy.dtype size changed, may indicate binary incompatibility',
    "No module named 'mmcv._ext'",
    'mmengine does not support to load directpose config',
    '... is not in the mmpose::model registry',
    "KeyError: 'area'",
    'CUDA out of memory',
)


def test_messages_of_troubleshooting_are_those_of_the_code():
    sources = ' '.join(
        path.read_text()
        for room in ('directpose', 'tools')
        for path in ROOT.glob(f'{room}/**/*.py')
    )
    # A long message is several literals in the code.
    sources = re.sub(r"'\s*\n\s*f?'", '', re.sub(r'"\s*\n\s*f?"', '', sources))
    sources = re.sub(r"""['"]\s*\n\s*f?['"]""", '', sources)
    sources = re.sub(r'\{[^{}]*\}', '...', sources)
    text = (ROOT / 'docs/en/troubleshooting.md').read_text().partition('## Results')[0]
    messages = [
        message
        for cell in re.findall(r'^\| ([^|]*`[^|]*) \|', text, re.MULTILINE)
        for message in re.findall(r'`([^`]+)`', cell)
        if message not in OTHERS
    ]
    assert len(messages) > 10
    for message in messages:
        for part in message.split('...'):
            assert part.strip(" '") in sources, f'{message}: no such message in the code'


def test_every_page_is_in_the_site():
    listed = set(re.findall(r'^(en/[\w/-]+)$', (ROOT / 'docs/index.md').read_text(), re.MULTILINE))
    pages = ROOT.glob('docs/en/**/*.md')
    assert listed == {page.relative_to(ROOT / 'docs').with_suffix('').as_posix() for page in pages}


@pytest.mark.slow
def test_site_builds_without_a_warning(tmp_path):
    missing = [n for n in ('sphinx', 'furo', 'myst_parser') if importlib.util.find_spec(n) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: pip install '.[docs]'")
    done = subprocess.run(
        [sys.executable, '-m', 'sphinx', '-q', '-W', '--keep-going', 'docs', str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / 'reference/models.html').read_text()
    assert 'directpose.models.' in page and 'KPAlign' in page
    assert (tmp_path / 'en/method.html').is_file()


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_tests_that_a_page_names_exist(page):
    """A name after three dots is of the file before it."""
    for line in page.read_text().splitlines():
        file = ''
        for named, test in re.findall(r'`(?:([\w/]+\.py)|…)::(\w+)`', line):
            file = named.removeprefix('tests/') or file
            assert f'def {test}(' in (ROOT / 'tests' / file).read_text(), f'{file}::{test}'
