"""The configs of the ablations differ from their base in what their names say, and train."""

import pytest
from mmengine.config import Config

from tests.conftest import ROOT
from tests.steps import build_model, make_batch, train_a_step

ROWS = {path.stem: path for path in sorted((ROOT / 'configs/ablation').glob('*.py'))}
PARTS = {
    'base': set(),
    'boxes': {'model', 'train_pipeline', 'train_dataloader'},
    'ema': {'custom_hooks'},
    'peer-rtmo': {'model', 'optim_wrapper'},  # float32
    'peer-yoloxpose': {'model', 'optim_wrapper'},
    'sgd': {'optim_wrapper'},
}


@pytest.mark.parametrize('row', ROWS)
def test_a_row_differs_from_the_base_in_its_part_alone(row):
    base, other = (Config.fromfile(ROWS[name]).to_dict() for name in ('base', row))
    differing = {key for key in {*base, *other} if base.get(key) != other.get(key)}
    assert differing == PARTS.get(row, {'model'})


@pytest.mark.parametrize('row', [row for row in ROWS if 'model' in PARTS.get(row, {'model'})])
def test_a_row_trains_a_step(row):
    model = build_model(Config.fromfile(ROWS[row]))
    train_a_step(model, make_batch(model, size=64))
