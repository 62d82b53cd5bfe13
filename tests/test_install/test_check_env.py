"""tools/check_env.py on a sound environment and on broken ones.

A broken environment is simulated by a folder on PYTHONPATH: modules in it stand
in for installed ones, and a ``sitecustomize.py`` makes others impossible to
import, in exactly the processes the tool starts.
"""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools/check_env.py'


def hide(module: str) -> dict[str, str]:
    """Stand-ins that make ``module`` impossible to import."""
    code = f"""
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Hide())
"""
    return {'sitecustomize.py': code}


@pytest.fixture
def check(tmp_path):
    """Runs the tool with stand-ins: file name -> content."""

    def run(*names: str, files: dict[str, str] | None = None) -> subprocess.CompletedProcess:
        for name, content in (files or {}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        environment = {**os.environ, 'PYTHONPATH': str(tmp_path)}
        return subprocess.run(
            [sys.executable, str(TOOL), *names],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def failures(done: subprocess.CompletedProcess) -> dict[str, tuple[str, str]]:
    """Name of each failed check -> its error and the command that mends it."""
    lines = done.stdout.splitlines()
    found = {}
    for line, after in itertools.pairwise(lines):
        if line.startswith('FAIL'):
            _, name, error = line.split(maxsplit=2)
            assert after.strip().startswith('mend it with:')
            found[name] = error, after.partition('mend it with:')[2].strip()
    assert done.returncode == bool(found), done.stdout + done.stderr
    return found


@pytest.mark.slow
def test_sound_environment_passes(check):
    done = check()
    assert failures(done) == {}, done.stdout
    assert 'All 13 checks passed.' in done.stdout
    assert 'NMS and deformable convolution right on the CPU' in done.stdout


def test_mmcv_without_operators(check):
    done = check('mmcv', 'numpy', files=hide('mmcv._ext'))
    found = failures(done)
    # One failure hides no other check.
    assert set(found) == {'mmcv'}
    assert 'ok    numpy' in done.stdout
    error, remedy = found['mmcv']
    assert 'mmcv._ext' in error
    assert remedy == f'{sys.executable} -m directpose_stack'
    assert '1 of 2 checks failed' in done.stdout


def test_mmcv_compiled_for_another_torch(check):
    files = {
        'torch.py': '',
        'mmcv/__init__.py': "__version__ = '2.1.0'",
        'mmcv/ops.py': "raise ImportError('_ext.so: undefined symbol: _ZN3c10')",
    }
    error, remedy = failures(check('mmcv', files=files))['mmcv']
    assert 'undefined symbol' in error
    assert remedy.endswith('-m directpose_stack')


# As much of torch as the check of mmcv needs; importing the real one takes seconds.
TORCH = """
import numpy
class Tensor(numpy.ndarray):
    def cpu(self): return self
def tensor(values, device=None): return numpy.asarray(values).view(Tensor)
def arange(number, device=None): return tensor(numpy.arange(number))
def zeros(*shape, device=None): return tensor(numpy.zeros(shape))
def full(shape, value, device=None): return tensor(numpy.full(shape, value))
"""


def test_operator_with_a_wrong_result(check):
    operators = """
import torch
def nms(boxes, scores, threshold): return None, torch.arange(3)
deform_conv2d = None
"""
    files = {
        'torch.py': TORCH,
        'mmcv/__init__.py': "__version__ = '2.1.0'",
        'mmcv/ops.py': operators,
    }
    error, _ = failures(check('mmcv', files=files))['mmcv']
    assert error == 'WrongResultError: NMS on cpu gives [0, 1, 2], not [1, 2]'


def test_mmcv_that_mmdet_refuses(check):
    files = {'mmcv/__init__.py': "__version__ = '2.2.0'"}
    error, remedy = failures(check('mmdet', files=files))['mmdet']
    assert 'MMCV==2.2.0 is used but incompatible' in error
    assert '--force-reinstall mmcv-lite==2.1.0' in remedy


def test_xtcocotools_compiled_for_numpy_1(check):
    error = "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')"
    files = {'xtcocotools/__init__.py': '', 'xtcocotools/mask.py': error}
    error, remedy = failures(check('xtcocotools', files=files))['xtcocotools']
    assert 'numpy.dtype size changed' in error
    assert remedy.endswith('-m directpose_stack')


def test_crash_of_one_package_hides_no_other(check):
    crash = 'import os, signal; os.kill(os.getpid(), signal.SIGSEGV)'
    done = check('xtcocotools', 'numpy', files={'xtcocotools/__init__.py': crash})
    assert failures(done)['xtcocotools'][0] == 'crashed (SIGSEGV)'
    assert 'ok    numpy' in done.stdout


def test_setuptools_without_pkg_resources(check):
    found = failures(check('setuptools', files=hide('pkg_resources')))
    assert 'pip install --no-deps --force-reinstall setuptools==' in found['setuptools'][1]


def test_torchvision_of_another_torch(check):
    files = {
        'torch.py': "__version__ = '2.9.1+cpu'",
        'torchvision.py': "__version__ = '0.26.0'",
    }
    error, remedy = failures(check('torchvision', files=files))['torchvision']
    assert 'torchvision 0.26.0 is the pair of torch 2.11.0, not of 2.9.1+cpu' in error
    assert '--force-reinstall torch==2.11.0 torchvision==0.26.0' in remedy


def test_opencv_without_its_system_library(check):
    files = {'cv2.py': "raise ImportError('libGL.so.1: cannot open shared object file')"}
    _, remedy = failures(check('opencv', files=files))['opencv']
    assert remedy == 'sudo apt-get install -y libgl1 libglib2.0-0'


def test_missing_package_of_the_lock(check):
    found = failures(check('mmengine', files=hide('termcolor')))
    assert "No module named 'termcolor'" in found['mmengine'][0]
    assert found['mmengine'][1].endswith(f'--require-hashes -r {ROOT}/requirements/lock.txt')


def test_directpose_not_installed(check):
    found = failures(check('directpose', files=hide('directpose')))
    assert found['directpose'][1].endswith(f'--no-build-isolation -e {ROOT}')


def test_error_inside_directpose_is_shown(check):
    files = {'directpose/__init__.py': "raise AttributeError('the reason')"}
    assert (
        failures(check('directpose', files=files))['directpose'][0] == 'AttributeError: the reason'
    )


GPU = {
    'torch.py': """
import os
class cuda:
    is_available = staticmethod(lambda: os.environ.get('CUDA_VISIBLE_DEVICES') != '')
""",
    'mmcv/__init__.py': '',
    'mmcv/ops.py': """
def get_compiling_cuda_version(): return 'not available'
def sigmoid_focal_loss(*args): raise RuntimeError
""",
}


def test_gpu_for_which_mmcv_was_not_compiled(check, monkeypatch):
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    error, remedy = failures(check('gpu', files=GPU))['gpu']
    assert 'MMCV was compiled without CUDA, so its operators fail on the GPU' in error
    assert remedy.endswith('pip uninstall -y mmcv && ' + f'{sys.executable} -m directpose_stack')


def test_hidden_gpu_is_no_failure(check, monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    done = check('gpu', files=GPU)
    assert failures(done) == {}
    assert 'hidden by an empty CUDA_VISIBLE_DEVICES' in done.stdout


@pytest.mark.parametrize(
    ('file', 'whose'),
    [('_ext.py', 'operators of torchvision'), ('_ext.so', 'its own compiled operators')],
)
def test_says_whose_operators_mmcv_has(check, file, whose):
    operators = """
import torch
def nms(boxes, scores, threshold): return None, torch.tensor([1, 2])
def deform_conv2d(*args):
    return torch.tensor([[[[1.0, 3, 2], [7, 9, 5], [13, 15, 8]]]])
"""
    package = f"""
import sys, types
__version__ = '2.1.0'
sys.modules['mmcv._ext'] = _ext = types.SimpleNamespace(__file__={file!r})
"""
    files = {'torch.py': TORCH, 'mmcv/__init__.py': package, 'mmcv/ops.py': operators}
    done = check('mmcv', files=files)
    assert failures(done) == {}
    assert f'2.1.0, {whose}' in done.stdout


def test_unknown_check_is_refused(check):
    done = check('mmvc')
    assert done.returncode == 2
    assert 'mmvc is not one of: python,' in done.stderr
