"""A GPU for which mmcv has no operators."""

import pytest

from directpose.cli import device
from directpose.cli.errors import UserError


@pytest.mark.parametrize('built_for', ['not available', '13.0'])
@pytest.mark.parametrize(
    'chosen, named', [('cuda', None), ('cpu', 'cuda:1'), ('cuda', 'cpu'), ('cpu', None)]
)
def test_only_a_gpu_without_operators_is_refused(monkeypatch, chosen, named, built_for):
    monkeypatch.setattr(device, 'get_device', lambda: chosen)
    monkeypatch.setattr(device, 'get_compiling_cuda_version', lambda: built_for)
    if (named or chosen) != 'cpu' and built_for == 'not available':
        with pytest.raises(UserError, match='install_from_source.py mmcv'):
            device.check_operators(named)
    else:
        device.check_operators(named)
