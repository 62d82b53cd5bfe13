"""Checkpoints load safely: MMEngine's own do, anything else does not."""

import pickle
import sys

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from directpose.cli.checkpoint import load_checkpoint_file
from directpose.cli.errors import UserError
from directpose.engine.safe_load import is_intact

from .toy import train


class Pickled:
    """Pickles as a call of one's choice."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.fixture
def last_checkpoint(tmp_path):
    train(tmp_path, 4)
    return tmp_path / 'iter_4.pth'


def test_runner_checkpoint_needs_and_finds_the_list(last_checkpoint):
    checkpoint = torch.load(last_checkpoint, weights_only=True)
    history = checkpoint['message_hub']['log_scalars']['train/loss']
    assert isinstance(history, HistoryBuffer)
    assert len(history.data[0]) == 4
    assert history.statistics('mean') == pytest.approx(history.data[0].mean())
    sigmas = checkpoint['meta']['dataset_meta']['sigmas']
    assert sigmas.dtype == np.float32

    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        with pytest.raises(pickle.UnpicklingError):
            torch.load(last_checkpoint, weights_only=True)
    finally:
        torch.serialization.add_safe_globals(allowed)


def test_runner_checkpoint_resumes(last_checkpoint, tmp_path):
    runner = train(tmp_path, 5, resume=True, load_from=str(last_checkpoint))
    assert runner.iter == 5
    assert len(runner.message_hub.get_scalar('train/loss').data[0]) == 5


@pytest.mark.parametrize(
    'evil',
    [
        Pickled(eval, '__import__("pathlib").Path("{}").touch()'),
        Pickled(getattr, HistoryBuffer, '__init__'),
        Pickled(getattr, HistoryBuffer, '__globals__'),
        Pickled(getattr, np.ndarray, 'tofile'),
        Pickled(getattr, sys, 'modules'),
        Pickled(getattr, HistoryBuffer),
    ],
)
def test_code_in_a_checkpoint_is_refused(evil, tmp_path):
    trace = tmp_path / 'executed'
    function, args = evil.call
    args = [arg.format(trace) if isinstance(arg, str) else arg for arg in args]
    path = tmp_path / 'evil.pth'
    if sys in args:  # a module does not pickle, but a file can name it
        args[0] = Pickled(__import__, 'sys')
    torch.save(dict(state_dict=dict(weight=torch.zeros(1)), x=Pickled(function, *args)), path)

    with pytest.raises(pickle.UnpicklingError):
        torch.load(path)
    with pytest.raises(UserError, match=r'evil\.pth'):
        load_checkpoint_file(str(path))
    assert not trace.exists()


def test_downloads_are_loaded_safely(tmp_path):
    """MMEngine's own download would unpickle anything."""
    path = tmp_path / 'evil.pth'
    torch.save(dict(x=Pickled(print, 'executed')), path)
    from mmengine.runner.checkpoint import load_url

    with pytest.raises(pickle.UnpicklingError):
        load_url(path.as_uri(), model_dir=str(tmp_path / 'cache'), progress=False)


@pytest.mark.parametrize('share', [0, 0.5, 0.99])
def test_truncated_file_is_not_intact(last_checkpoint, share):
    content = last_checkpoint.read_bytes()
    assert is_intact(last_checkpoint)
    last_checkpoint.write_bytes(content[: int(len(content) * share)])
    assert not is_intact(last_checkpoint)
    with pytest.raises(UserError, match=r'iter_4\.pth'):
        load_checkpoint_file(str(last_checkpoint))


def test_altered_tensor_is_not_intact(last_checkpoint):
    """A flipped bit in the data of a tensor, which torch.load does not notice."""
    weight = torch.load(last_checkpoint)['state_dict']['backbone.0.weight']
    content = last_checkpoint.read_bytes()
    stored = weight.numpy().tobytes()
    at = content.index(stored)
    last_checkpoint.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    assert not is_intact(last_checkpoint)


@pytest.mark.parametrize(
    'content, told',
    [
        (None, 'no such checkpoint'),
        (dict(model=dict(weight=torch.zeros(1)), iteration=9), 'directpose_to_mmpose'),
        ([1, 2], 'no state_dict'),
    ],
)
def test_error_names_file_and_remedy(tmp_path, content, told):
    path = tmp_path / 'wrong.pth'
    if content is not None:
        torch.save(content, path)
    with pytest.raises(UserError, match=told) as raised:
        load_checkpoint_file(str(path))
    assert 'wrong.pth' in str(raised.value)
    assert '\n' not in str(raised.value)
