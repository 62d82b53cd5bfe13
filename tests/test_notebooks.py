"""The notebooks of demo/ run from top to bottom."""

import json

import pytest

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / 'demo').glob('*.ipynb'))


def code_cells(name: str) -> list[str]:
    cells = json.loads((ROOT / f'demo/{name}.ipynb').read_text())['cells']
    return [''.join(cell['source']) for cell in cells if cell['cell_type'] == 'code']


def run(name: str) -> dict:
    """Run the code cells in one namespace."""
    namespace: dict = {}
    for number, cell in enumerate(code_cells(name)):
        exec(compile(cell, f'{name}.ipynb, code cell {number}', 'exec'), namespace)
    return namespace


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_no_outputs_are_stored(path):
    for cell in json.loads(path.read_text())['cells']:
        assert not cell.get('outputs') and cell.get('execution_count') is None


def test_first_poses():
    found = run('first_poses')
    assert len(found['all_poses']) == 6
    assert sum(len(poses.scores) for poses in found['all_poses']) > 3
    assert len(list((found['FOLDER'] / 'poses').glob('*.jpg'))) == 6
