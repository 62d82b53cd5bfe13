"""The notebooks of demo/ run from top to bottom."""

import importlib.util
import json
import re

import pytest

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / 'demo').glob('*.ipynb'))


def code_cells(name: str) -> list[str]:
    cells = json.loads((ROOT / f'demo/{name}.ipynb').read_text())['cells']
    return [''.join(cell['source']) for cell in cells if cell['cell_type'] == 'code']


def run(name: str, without: str | None = None, **changes) -> dict:
    """Run the code cells in one namespace.

    Args:
        name (str): The notebook, without its ending.
        without (str, optional): Cells with this text in them are left out.
        **changes: Other values of variables that the first cell sets.

    Returns:
        dict: The namespace.
    """
    namespace: dict = {}
    for number, cell in enumerate(code_cells(name)):
        if without is not None and without in cell:
            continue
        exec(compile(cell, f'{name}.ipynb, code cell {number}', 'exec'), namespace)
        if number == 0:
            assert changes.keys() <= namespace.keys()
            namespace.update(changes)
    return namespace


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_no_outputs_are_stored(path):
    for cell in json.loads(path.read_text())['cells']:
        assert not cell.get('outputs') and cell.get('execution_count') is None


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    cells = json.loads(path.read_text())['cells']
    text = '\n'.join(''.join(c['source']) for c in cells if c['cell_type'] == 'markdown')
    for target in re.findall(r'\]\(([^)\s]+)\)', text):
        assert (path.parent / target).exists(), target


def test_first_poses():
    found = run('first_poses')
    assert [len(poses.scores) for poses in found['all_poses']] == [3, 3]
    files = {path.name for path in found['FOLDER'].iterdir()}
    assert files == {'people_1.jpg', 'people_2.jpg', 'poses.csv'}


@pytest.mark.slow
def test_export_and_video():
    with_videos = importlib.util.find_spec('av') is not None
    found = run('export_and_video', without=None if with_videos else '.mp4')
    folder, tracked = found['FOLDER'], found['tracked']
    assert found['difference'] < 0.01 and sum(map(len, found['by_file'])) > 10
    assert len(tracked) == 60 and {len(poses.scores) for poses in tracked} >= {2, 3}
    # Most of the poses have one of three numbers.
    assert sum(sorted(found['counts'])[-3:]) > 0.7 * sum(found['counts'])
    annotations = json.loads((folder / 'poses.json').read_text())['annotations']
    assert {annotation['track_id'] for annotation in annotations} == set(found['numbers'])
    assert len(annotations) == sum(found['counts'])
    if with_videos:
        assert (folder / 'poses.mp4').stat().st_size > 10_000
        assert (folder / 'predicted/clip.mp4').stat().st_size > 10_000
        assert len(found['people']) == pytest.approx(len(annotations), rel=0.1)
        assert 0 < float(found['people'][0]['nose_score']) < 1


@pytest.mark.slow
def test_own_keypoints():
    """The way to a trained model; the steps are too few for a good one."""
    found = run('own_keypoints', STEPS=25)
    folder, metrics = found['FOLDER'], found['metrics']
    assert (folder / 'run/iter_25.pth').is_file()
    assert len(list((folder / 'poses').iterdir())) == 40
    assert 0 <= metrics['coco/AP'] <= metrics['coco/AP .5'] <= 1
    assert found['pictures'][0].shape[2] == 3
