"""The configs of the ablations differ from their base in what their names say, and train."""

import numpy as np
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
    'r18-aa': {'model', 'max_iters', 'train_cfg', 'param_scheduler', 'default_hooks'},
    'sgd': {'optim_wrapper'},
}
BASES = {'r18': 'r18-aa'}


@pytest.mark.parametrize('row', ROWS)
def test_a_row_differs_from_its_base_in_its_part_alone(row):
    pair = (BASES.get(row, 'base'), row)
    base, other = (Config.fromfile(ROWS[name]).to_dict() for name in pair)
    differing = {key for key in {*base, *other} if base.get(key) != other.get(key)}
    assert differing == PARTS.get(row, {'model'})


@pytest.mark.parametrize('row', [row for row in ROWS if 'model' in PARTS.get(row, {'model'})])
def test_a_row_trains_a_step(row):
    model = build_model(Config.fromfile(ROWS[row]))
    train_a_step(model, make_batch(model, size=64))


def test_the_rows_without_pretraining_differ_in_anti_aliasing_alone():
    """The two backbones have the same parameters, of the same spread, and none is frozen."""

    def spreads(row):
        backbone = build_model(Config.fromfile(ROWS[row])).backbone
        backbone.train()
        assert all(module.training for module in backbone.modules())
        assert all(parameter.requires_grad for parameter in backbone.parameters())
        filters = (parameter for parameter in backbone.parameters() if parameter.ndim == 4)
        return sorted((*filter_.shape, filter_.std().item()) for filter_ in filters)

    np.testing.assert_allclose(spreads('r18-aa'), spreads('r18'), rtol=0.1)
