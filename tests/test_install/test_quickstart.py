"""tools/quickstart.sh on machines with and without a GPU; its steps only tell what they see."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

TORCH = """
import os
class cuda:
    is_available = staticmethod(lambda: {gpu} and os.environ.get('CUDA_VISIBLE_DEVICES') != '')
class version:
    cuda = '77.1'
"""
STEP = """
import os, sys
print(sys.argv[0], 'sees', repr(os.environ.get('CUDA_VISIBLE_DEVICES')))
"""
STEPS = (
    'tools/dataset_converters/make_synthetic_coco.py',
    'tools/train.py',
    'tools/test.py',
    'demo/image_demo.py',
)


@pytest.fixture
def quickstart(tmp_path):
    """Runs the script with a stand-in for torch, and an mmcv with these operators."""

    def run(gpu: bool, operators: str) -> subprocess.CompletedProcess:
        root, modules = tmp_path / 'my repository', tmp_path / 'modules'
        files = {
            root / 'tools/setup_env.sh': '',
            root / 'work_dirs/quickstart/last_checkpoint': 'iter_1.pth',
            root / 'work_dirs/quickstart/poses/1.jpg': '',
            root / '.venv/bin/python': f'#!/bin/sh\nexec {sys.executable} "$@"\n',
            modules / 'torch.py': TORCH.format(gpu=gpu),
            modules / 'mmcv/__init__.py': '',
            modules / 'mmcv/ops.py': operators,
            **{root / step: STEP for step in STEPS},
        }
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        (root / '.venv/bin/python').chmod(0o755)
        for name in ('quickstart.sh', 'install_from_source.py', 'check_env.py'):
            shutil.copy(ROOT / 'tools' / name, root / 'tools')
        shutil.copytree(ROOT / 'requirements', root / 'requirements')
        # The GPU's check alone; torch is a stand-in.
        check = root / 'tools/check_env.py'
        only = "CHECKS = {'gpu': CHECKS['gpu']}\n\nif __name__ =="
        check.write_text(check.read_text().replace('if __name__ ==', only))
        environment = {**os.environ, 'PYTHONPATH': str(modules), 'DIRECTPOSE_VENV': ''}
        environment.pop('CUDA_VISIBLE_DEVICES', None)
        return subprocess.run(
            ['bash', str(root / 'tools/quickstart.sh'), '--images', str(tmp_path)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


CPU_OPERATORS = "def get_compiling_cuda_version(): return 'not available'"


def test_gpu_without_operators_is_hidden_from_every_step(quickstart):
    done = quickstart(gpu=True, operators=CPU_OPERATORS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'NOTE: mmcv has no CUDA operators, so all of this runs on the CPU' in done.stdout
    assert 'ok    gpu          hidden' in done.stdout
    for step in STEPS:
        assert f"{step} sees ''\n" in done.stdout


def test_nothing_is_hidden_without_a_gpu(quickstart):
    done = quickstart(gpu=False, operators=CPU_OPERATORS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'NOTE' not in done.stdout
    for step in STEPS:
        assert f'{step} sees None\n' in done.stdout


def test_gpu_with_operators_is_used(quickstart):
    done = quickstart(gpu=True, operators="def get_compiling_cuda_version(): return '77.1'")
    assert 'NOTE' not in done.stdout
    # The check went on to operators that this stand-in does not have.
    assert "FAIL  gpu          ImportError: cannot import name 'sigmoid_focal_loss'" in done.stdout


def test_broken_mmcv_ends_in_the_check_that_tells_the_remedy(quickstart):
    done = quickstart(gpu=True, operators="raise ImportError('undefined symbol')")
    assert done.returncode == 1
    assert done.stderr == ''
    assert 'FAIL  gpu          ImportError: undefined symbol' in done.stdout
    assert "install_from_source.py' mmcv" in done.stdout
