"""Checkpoints load safely: MMEngine's own do, anything else does not."""

import hashlib
import pickle
import socket
import subprocess
import sys
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint

from directpose.cli.checkpoint import load_checkpoint_file
from directpose.engine.errors import CheckpointError
from directpose.engine.read_checkpoint import download, read_all_checkpoints_safely
from directpose.engine.safe_load import is_intact
from directpose.errors import UserError

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


@pytest.fixture
def mmengine_as_before():
    """Undo what the tools change in MMEngine."""
    loader, load_url = CheckpointLoader._schemes[''], mmengine_checkpoint.load_url
    yield
    CheckpointLoader._schemes[''], mmengine_checkpoint.load_url = loader, load_url


def test_downloads_are_loaded_safely(tmp_path, mmengine_as_before):
    """MMEngine's own download would unpickle anything."""
    path = tmp_path / 'evil.pth'
    torch.save(dict(x=Pickled(print, 'executed')), path)
    read_all_checkpoints_safely()
    with pytest.raises(CheckpointError, match='could run code'):
        mmengine_checkpoint.load_url(path.as_uri(), model_dir=str(tmp_path / 'cache'))


def test_importing_the_package_changes_nothing_in_mmengine():
    program = """
from mmengine.runner import CheckpointLoader, checkpoint
def seen():
    return checkpoint.load_url, {k: v for k, v in CheckpointLoader._schemes.items()
                                 if not k.startswith('directpose')}
before = seen()
import directpose
from directpose.cli.checkpoint import load_checkpoint_file
assert seen() == before
"""
    subprocess.run([sys.executable, '-c', program], check=True, timeout=120)


class TestDownload:
    @pytest.fixture
    def published(self, tmp_path):
        """A file whose name carries the beginning of its hash."""
        content = b'weights'
        name = f'net-{hashlib.sha256(content).hexdigest()[:8]}.pth'
        (tmp_path / 'web').mkdir()
        (tmp_path / 'web' / name).write_bytes(content)
        return tmp_path / 'web' / name, str(tmp_path / 'cache')

    def test_a_file_with_its_hash_is_fetched_once(self, published):
        file, cache = published
        fetched = download(file.as_uri(), cache, progress=False)
        file.unlink()
        assert download(file.as_uri(), cache, progress=False) == fetched

    @pytest.mark.parametrize('when', ['fetched', 'kept'])
    def test_another_content_is_refused(self, published, when):
        file, cache = published
        if when == 'fetched':
            file.write_bytes(b'other')
        else:
            Path(download(file.as_uri(), cache, progress=False)).write_bytes(b'other')
        with pytest.raises(CheckpointError, match='does not have the hash') as raised:
            download(file.as_uri(), cache, progress=False)
        assert file.name in str(raised.value)

    @pytest.mark.parametrize('name', ['net.pth', 'net-best.pth', 'a-20240115.pth', 'lp-abc.pth'])
    def test_a_name_without_a_hash_is_not_checked(self, tmp_path, name):
        (tmp_path / name).write_bytes(b'weights')
        download((tmp_path / name).as_uri(), str(tmp_path / 'cache'), progress=False)

    def test_files_of_one_name_without_a_hash_are_kept_apart(self, tmp_path):
        for run in ('a', 'b'):
            (tmp_path / run).mkdir()
            (tmp_path / run / 'iter_100.pth').write_bytes(run.encode())
        fetched = {
            run: download((tmp_path / run / 'iter_100.pth').as_uri(), str(tmp_path), progress=False)
            for run in ('a', 'b')
        }
        assert {run: Path(file).read_text() for run, file in fetched.items()} == dict(a='a', b='b')
        assert download((tmp_path / 'a/iter_100.pth').as_uri(), str(tmp_path)) == fetched['a']

    def test_a_copy_that_is_cut_off_is_named(self, tmp_path, mmengine_as_before):
        file = tmp_path / 'net.pth'
        torch.save(dict(state_dict=dict(weight=torch.ones(1000))), file)
        file.write_bytes(file.read_bytes()[:2000])
        read_all_checkpoints_safely()
        cache = tmp_path / 'cache'
        with pytest.raises(CheckpointError, match='delete the copy') as raised:
            mmengine_checkpoint.load_url(file.as_uri(), model_dir=str(cache))
        (copy,) = cache.rglob('net.pth')
        assert str(copy) in str(raised.value) and file.as_uri() in str(raised.value)

    @pytest.mark.parametrize('answer', [b'nonsense', b''])
    def test_an_answer_that_is_no_http_is_told(self, tmp_path, answer):
        with socket.create_server(('127.0.0.1', 0)) as server:

            def serve():
                connection, _ = server.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(answer)

            Thread(target=serve, daemon=True).start()
            url = f'http://127.0.0.1:{server.getsockname()[1]}/net.pth'
            with pytest.raises(CheckpointError, match='net.pth: cannot be fetched'):
                download(url, str(tmp_path), progress=False)

    def test_what_cannot_be_fetched_is_named(self, tmp_path):
        with pytest.raises(CheckpointError, match='gone.pth: cannot be fetched'):
            download((tmp_path / 'gone.pth').as_uri(), str(tmp_path / 'cache'), progress=False)


def test_a_file_of_an_old_torch_is_intact(tmp_path):
    path = tmp_path / 'old.pth'
    torch.save(dict(state_dict=dict(a=torch.ones(99))), path, _use_new_zipfile_serialization=False)
    assert is_intact(path)
    assert load_checkpoint_file(str(path))['state_dict']['a'].sum() == 99
    path.write_bytes(path.read_bytes()[:-50])
    assert not is_intact(path)
    with pytest.raises(UserError, match=r'old\.pth.*damaged'):
        load_checkpoint_file(str(path))


def test_the_code_in_a_config_is_left_out(tmp_path):
    """MMEngine executes ``meta['config']`` when it resumes."""
    path = tmp_path / 'model.pth'
    torch.save(dict(state_dict={}, meta=dict(config='print(1)', iter=3)), path)
    assert load_checkpoint_file(str(path))['meta'] == dict(iter=3)


def test_a_config_is_not_executed_whatever_reads_the_checkpoint(last_checkpoint, tmp_path):
    """The hook takes it out where a Runner of MMEngine's reads the file with its own loader."""
    mark = tmp_path / 'mark'
    checkpoint = torch.load(last_checkpoint)
    checkpoint['meta']['config'] = f'open({str(mark)!r}, "w")'
    torch.save(checkpoint, last_checkpoint)
    train(
        tmp_path / 'run', 5, resume=True, load_from=str(last_checkpoint),
        default_hooks__load_check=dict(type='CheckLoadedHook'),
    )  # fmt: skip
    assert not mark.exists()


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
def test_weights_that_are_not_finite_are_refused(tmp_path, value, dtype):
    path = tmp_path / 'spoilt.pth'
    weights = dict(fine=torch.ones(3), count=torch.ones(2, dtype=torch.long))
    weights['bad.weight'] = torch.tensor([[0, value]], dtype=dtype)
    torch.save(dict(state_dict=weights), path)
    with pytest.raises(UserError, match=r'spoilt\.pth: the weight bad\.weight is not finite'):
        load_checkpoint_file(str(path))


@pytest.mark.parametrize('share', [0, 0.5, 0.99])
def test_truncated_file_is_not_intact(last_checkpoint, share):
    content = last_checkpoint.read_bytes()
    assert is_intact(last_checkpoint)
    last_checkpoint.write_bytes(content[: int(len(content) * share)])
    assert not is_intact(last_checkpoint)
    with pytest.raises(UserError, match=r'iter_4\.pth'):
        load_checkpoint_file(str(last_checkpoint))


def test_an_archive_whose_last_bytes_are_altered_is_refused_by_name_or_read(last_checkpoint):
    """There, the archive says where its directory is, and of how many files it is one."""
    content = last_checkpoint.read_bytes()
    ends = set()
    for at in range(1, 43):
        altered = bytearray(content)
        altered[-at] ^= 2
        last_checkpoint.write_bytes(altered)
        try:
            load_checkpoint_file(str(last_checkpoint))
            ends.add('read')
        except UserError as error:
            assert 'iter_4.pth: ' in str(error)
            ends.add('refused')
    assert 'refused' in ends


def test_altered_tensor_is_damaged(last_checkpoint):
    """A flipped bit in the data of a tensor, which torch.load does not notice."""
    weight = torch.load(last_checkpoint)['state_dict']['backbone.0.weight']
    content = last_checkpoint.read_bytes()
    stored = weight.numpy().tobytes()
    at = content.index(stored)
    last_checkpoint.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    assert not is_intact(last_checkpoint)
    with pytest.raises(UserError, match=r'iter_4\.pth: damaged'):
        load_checkpoint_file(str(last_checkpoint))


@pytest.mark.parametrize(
    'content, told',
    [
        (None, 'no such checkpoint'),
        (dict(model=dict(weight=torch.zeros(1)), iteration=9), 'directpose_to_mmpose'),
        ([1, 2], 'no state_dict'),
        (dict(state_dict=[1]), 'no state_dict'),
        (dict(state_dict={1: torch.zeros(1)}), 'no state_dict'),
        (dict(state_dict=dict(weight=torch.zeros(1), epoch=5)), 'a int under "epoch"'),
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


def test_a_name_of_the_package_gets_its_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match='in the package are directpose://directpose-tiny'):
        load_checkpoint_file('directpose-tiny')
