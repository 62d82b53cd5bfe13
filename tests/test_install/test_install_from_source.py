"""tools/install_from_source.py, with a tiny package of our own compiled by the real pip."""

import importlib.util
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from types import ModuleType

import numpy
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]

SETUP = """
from setuptools import Extension, setup
setup(name='tiny', version='1.0', packages=['tiny'],
      ext_modules=[Extension('tiny._ext', ['tiny/ext.c'])] if {compiled} else [])
"""
EXTENSION = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ext", "OLD_TEXT", -1, NULL};
PyMODINIT_FUNC PyInit__ext(void) { return PyModule_Create(&module); }
"""


@pytest.fixture
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        'installer', ROOT / 'tools/install_from_source.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tiny(tool, tmp_path, monkeypatch):
    """Publishes the source package ``tiny`` 1.0, in a folder with a space in its name."""

    def publish(code: str = EXTENSION, compiled: bool = True, patch=None) -> Path:
        source = tmp_path / 'tiny-1.0'
        (source / 'tiny').mkdir(parents=True)
        (source / 'setup.py').write_text(SETUP.format(compiled=compiled))
        (source / 'tiny/__init__.py').write_text('')
        (source / 'tiny/ext.c').write_text(code)
        (source / 'PKG-INFO').write_text('Metadata-Version: 1.0\nName: tiny\nVersion: 1.0\n')
        index = tmp_path / 'package index'
        index.mkdir()
        with tarfile.open(index / 'tiny-1.0.tar.gz', 'w:gz') as archive:
            archive.add(source, arcname='tiny-1.0')
        monkeypatch.setenv('PIP_NO_INDEX', '1')
        monkeypatch.setenv('PIP_FIND_LINKS', index.as_uri())
        monkeypatch.setitem(
            tool.SOURCES, 'tiny', tool.Source('tiny/_ext', 'import tiny._ext', 'a moment', patch)
        )
        folder = tmp_path / 'wheel cache'
        folder.mkdir()
        return folder

    return publish


def test_compiled_wheel_is_kept_whole_and_alone(tool, tiny):
    folder = tiny(patch=('tiny/ext.c', 'OLD_TEXT', 'new text'))
    interrupted = folder / '.build'
    interrupted.mkdir()
    (interrupted / 'tiny-0.9.whl').write_text('half')

    wheel = tool.compile_wheel('tiny', '1.0', folder, {})

    assert {path.name for path in folder.iterdir()} == {wheel.name, 'build.log'}
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / 'site')
    code = 'import tiny._ext; print(tiny._ext.__doc__)'
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=folder / 'site',
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == 'new text'


def test_failed_compilation_shows_the_reason_and_keeps_nothing(tool, tiny):
    folder = tiny(code='#error this is the reason')
    with pytest.raises(tool.InstallError, match='this is the reason') as error:
        tool.compile_wheel('tiny', '1.0', folder, {})
    assert str(folder / 'build.log') in str(error.value)
    assert [path.name for path in folder.iterdir()] == ['build.log']


def test_wheel_without_the_compiled_module_is_refused(tool, tiny):
    folder = tiny(compiled=False)
    with pytest.raises(tool.InstallError, match='built without tiny/_ext'):
        tool.compile_wheel('tiny', '1.0', folder, {})
    assert [path.name for path in folder.iterdir()] == ['build.log']


def test_patch_that_no_longer_applies_is_refused(tool, tiny):
    folder = tiny(patch=('tiny/ext.c', 'GONE', 'new text'))
    with pytest.raises(tool.InstallError, match=r'tiny/ext\.c has no GONE'):
        tool.compile_wheel('tiny', '1.0', folder, {})


def test_missing_compiler_is_named_with_its_remedy(tool, monkeypatch):
    monkeypatch.setenv('CXX', 'no-such-compiler -m64')
    with pytest.raises(tool.InstallError, match='sudo apt-get install -y build-essential'):
        tool.check_toolchain()


def test_missing_headers_are_named_with_their_remedy(tool, monkeypatch, tmp_path):
    monkeypatch.setattr(tool.sysconfig, 'get_path', lambda name: str(tmp_path))
    version = f'python3.{sys.version_info.minor}-dev'
    with pytest.raises(tool.InstallError, match=f'sudo apt-get install -y {version}'):
        tool.check_toolchain()


def run_check(cache: Path) -> subprocess.CompletedProcess:
    """Ask for what is needed, on a machine without a compiler."""
    environment = {**os.environ, 'CXX': 'no-such-compiler', 'DIRECTPOSE_WHEEL_CACHE': str(cache)}
    command = [sys.executable, str(ROOT / 'tools/install_from_source.py'), '--check']
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_compiler_is_needed_only_where_no_wheel_is_kept(tool, tmp_path):
    assert 'sudo apt-get install -y build-essential' in run_check(tmp_path).stderr
    for name in tool.SOURCES:
        folder = tmp_path / tool.cache_key(name, tool.pinned_version(name), 'cpu')
        folder.mkdir()
        (folder / f'{name}.whl').touch()
    assert run_check(tmp_path).returncode == 0


def test_key_names_everything_compiled_against(tool, monkeypatch):
    def keys():
        return tool.cache_key('mmcv', '2.1.0', 'cpu'), tool.cache_key('xtcocotools', '1.14.3', '')

    mmcv, xtcocotools = keys()
    abi = f'cpython-3{sys.version_info.minor}'
    assert abi in mmcv and f'torch{torch.__version__}-cpu' in mmcv
    assert abi in xtcocotools and f'numpy{numpy.__version__[0]}' in xtcocotools
    monkeypatch.setattr(torch, '__version__', '2.11.0+cu126')
    monkeypatch.setattr(numpy, '__version__', '3.0.0')
    assert keys()[0] != mmcv and keys()[1] != xtcocotools
    assert tool.cache_key('mmcv', '2.1.0', 'cuda13.0-sm9.0') != tool.cache_key(
        'mmcv', '2.1.0', 'cpu'
    )


@pytest.mark.parametrize(
    ('variables', 'expected'),
    [
        ({'DIRECTPOSE_WHEEL_CACHE': '/given'}, '/given'),
        ({'XDG_CACHE_HOME': '/cache'}, '/cache/directpose/wheels'),
        ({'HOME': '/home/me'}, '/home/me/.cache/directpose/wheels'),
    ],
)
def test_where_wheels_are_kept(tool, monkeypatch, variables, expected):
    for name in ('DIRECTPOSE_WHEEL_CACHE', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert tool.cache_root() == Path(expected)


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """A machine on which torch sees two GPUs; makes CUDA toolkits."""
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda i: [(9, 0), (8, 6)][i])
    monkeypatch.setattr(torch.version, 'cuda', '77.1')
    for name in ('CUDA_HOME', 'CUDA_PATH', 'TORCH_CUDA_ARCH_LIST', 'CPATH'):
        monkeypatch.delenv(name, raising=False)

    def toolkit(release: str) -> Path:
        home = tmp_path / f'cuda-{release}'
        (home / 'bin').mkdir(parents=True)
        (home / 'include').mkdir()
        (home / 'include/cuda_runtime.h').touch()
        nvcc = home / 'bin/nvcc'
        nvcc.write_text(
            f'#!/bin/sh\necho "Cuda compilation tools, release {release}, V{release}"\n'
        )
        nvcc.chmod(0o755)
        monkeypatch.setenv('PATH', f'{nvcc.parent}:/usr/bin:/bin')
        return home

    return toolkit


def test_cuda_operators_for_the_gpus_that_are_there(tool, gpu):
    home = gpu('77.0')
    label, variables = tool.operator_target()
    assert label == 'cuda77.1-sm8.6_9.0'
    assert variables['FORCE_CUDA'] == '1'
    assert variables['CUDA_HOME'] == str(home)
    assert variables['TORCH_CUDA_ARCH_LIST'] == '8.6;9.0'


@pytest.mark.parametrize('release', [None, '76.9'])
def test_gpu_without_fitting_toolkit_gets_cpu_operators_and_is_told(tool, gpu, capsys, release):
    if release:
        gpu(release)
    label, variables = tool.operator_target()
    assert label == 'cpu'
    # mmcv would compile for CUDA wherever torch sees a GPU.
    assert variables['CUDA_VISIBLE_DEVICES'] == ''
    told = capsys.readouterr().out
    assert 'no CUDA 77.1 toolkit' in told
    assert 'install_from_source.py mmcv' in told


@pytest.fixture
def steps(tool, monkeypatch, tmp_path):
    """Records what ``install('mmcv')`` does in an empty cache; nothing is installed."""
    done = []
    monkeypatch.setenv('DIRECTPOSE_WHEEL_CACHE', str(tmp_path))
    monkeypatch.setattr(tool, 'install_wheel', lambda wheel: done.append(f'install {wheel.name}'))
    monkeypatch.setattr(tool, 'load_error', lambda name: None)

    def compile_wheel(name, version, folder, variables):
        done.append('compile')
        wheel = folder / f'{name}-{version}.whl'
        wheel.touch()
        return wheel

    monkeypatch.setattr(tool, 'compile_wheel', compile_wheel)
    return done


@pytest.fixture
def run_main(tool, steps, monkeypatch):
    """Runs the script on mmcv alone; what is installed works and is as described."""
    monkeypatch.setattr(tool, 'end_cleanly_when_terminated', lambda: None)
    monkeypatch.delitem(tool.SOURCES, 'xtcocotools')

    def run(*arguments: str, version: str = '2.1.0', cuda: bool = False) -> list[str]:
        monkeypatch.setattr(tool.metadata, 'version', lambda name: version)
        monkeypatch.setattr(tool, 'has_cuda_operators', lambda: cuda)
        monkeypatch.setattr(sys, 'argv', ['install_from_source.py', *arguments])
        tool.main()
        return steps

    return run


def test_installed_package_that_works_is_left_alone(run_main, capsys):
    assert run_main() == []
    assert 'mmcv 2.1.0 is installed and works: left alone' in capsys.readouterr().out


def test_ready_made_cuda_operators_outlive_a_missing_toolkit(run_main, gpu, capsys):
    assert run_main(cuda=True) == []
    assert 'NOTE' not in capsys.readouterr().out  # nothing about operators for the CPU


def test_cpu_operators_stay_where_no_better_can_be_compiled(run_main, gpu, capsys):
    assert run_main() == []
    assert 'no CUDA 77.1 toolkit' in capsys.readouterr().out


def test_cpu_operators_are_replaced_once_there_is_a_toolkit(run_main, gpu):
    gpu('77.0')
    assert run_main() == ['compile', 'install mmcv-2.1.0.whl']


def test_package_that_is_named_is_installed_in_any_case(run_main):
    assert run_main('mmcv') == ['compile', 'install mmcv-2.1.0.whl']


def test_installed_package_of_another_version_is_replaced(run_main):
    assert run_main(version='2.2.0') == ['compile', 'install mmcv-2.1.0.whl']


def test_installed_package_that_does_not_work_is_replaced(tool, run_main, monkeypatch):
    errors = iter(['ImportError: undefined symbol', None])
    monkeypatch.setattr(tool, 'load_error', lambda name: next(errors))
    assert run_main() == ['compile', 'install mmcv-2.1.0.whl']


def test_package_that_is_not_there_is_not_good(tool):
    assert not tool.is_good('no-such-package')


def test_second_install_takes_the_kept_wheel(tool, steps):
    tool.install('mmcv')
    assert steps == ['compile', 'install mmcv-2.1.0.whl']
    tool.install('mmcv')
    assert steps[2:] == ['install mmcv-2.1.0.whl']


def test_changed_torch_compiles_anew(tool, steps, monkeypatch):
    tool.install('mmcv')
    monkeypatch.setattr(torch, '__version__', '2.13.0+cu130')
    tool.install('mmcv')
    assert steps.count('compile') == 2


def test_kept_wheel_that_does_not_work_is_compiled_anew(tool, steps, monkeypatch, capsys):
    tool.install('mmcv')
    errors = iter(['ImportError: undefined symbol', None])
    monkeypatch.setattr(tool, 'load_error', lambda name: next(errors))
    tool.install('mmcv')
    assert steps[2:] == ['install mmcv-2.1.0.whl', 'compile', 'install mmcv-2.1.0.whl']
    assert 'ImportError: undefined symbol' in capsys.readouterr().out


def test_compiled_package_that_does_not_work_is_an_error(tool, steps, monkeypatch):
    monkeypatch.setattr(tool, 'load_error', lambda name: 'ImportError: no such thing')
    with pytest.raises(tool.InstallError, match='no such thing'):
        tool.install('mmcv')


@pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')
def test_xtcocotools_masks_equal_pycocotools(tool):
    """The patch of its source: unpatched, every function below fails under numpy 2."""
    from pycocotools import mask as reference
    from xtcocotools import mask

    polygons = [[1.0, 2, 30, 4, 25, 28, 3, 20], [5.0, 5, 40, 5, 40, 40, 5, 40]]
    ours, theirs = (m.frPyObjects(polygons, 48, 56) for m in (mask, reference))
    numpy.testing.assert_array_equal(mask.decode(ours), reference.decode(theirs))
    numpy.testing.assert_array_equal(mask.area(ours), reference.area(theirs))
    numpy.testing.assert_array_equal(mask.toBbox(ours), reference.toBbox(theirs))
    crowd = [0, 1]
    numpy.testing.assert_array_equal(
        mask.iou(ours, ours, crowd), reference.iou(theirs, theirs, crowd)
    )


def test_interrupted_compilation_leaves_no_compiler_behind(tool, tiny):
    """Ended by SIGTERM, as a job that is cancelled: no process, no half wheel stays."""
    folder = tiny()
    compiler, started = folder.parent / 'compiler', folder.parent / 'pid'
    code = f"""
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location('installer', {tool.__file__!r})
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)
tool.end_cleanly_when_terminated()
tool.SOURCES['tiny'] = tool.Source('tiny/_ext', '', '')
tool.compile_wheel('tiny', '1.0', Path({str(folder)!r}), {{'CC': {str(compiler)!r}}})
"""
    compiler.write_text(f'#!/bin/sh\necho $$ > {started}\nexec sleep 300\n')
    compiler.chmod(0o755)
    with subprocess.Popen([sys.executable, '-c', code]) as process:
        while not started.exists() or not started.read_text().strip():
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
    assert process.returncode == 128 + signal.SIGTERM
    compiling = Path('/proc', started.read_text().strip())
    deadline = time.monotonic() + 30
    while compiling.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not compiling.exists()
    assert [path.name for path in folder.iterdir()] == ['build.log']
