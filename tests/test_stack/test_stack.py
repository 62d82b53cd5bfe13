"""`python -m directpose_stack`: what is completed, and what is left as it is."""

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from directpose_stack import __main__ as stack

OPERATORS = Path(stack.__file__).with_name('mmcv_operators.py').read_text()


@pytest.fixture
def mmcv(tmp_path, monkeypatch):
    """The folder of an MMCV that has been installed, without compiled operators."""
    init = tmp_path / '__init__.py'
    init.touch()
    monkeypatch.setattr(stack, 'find_spec', lambda name: ModuleSpec(name, None, origin=str(init)))
    return tmp_path


def test_mmcv_without_operators_gets_those_of_torchvision(mmcv):
    assert stack.complete_mmcv() == 'MMCV has the operators of torchvision'
    assert (mmcv / '_ext.py').read_text() == OPERATORS
    (mmcv / '_ext.py').write_text('of an older version')
    stack.complete_mmcv()
    assert (mmcv / '_ext.py').read_text() == OPERATORS
    assert sorted(path.name for path in mmcv.iterdir()) == ['__init__.py', '_ext.py']


@pytest.mark.parametrize('compiled', ['_ext.cpython-311-x86_64-linux-gnu.so', '_ext.cp311.pyd'])
def test_a_compiled_mmcv_stays_as_it_is(mmcv, monkeypatch, compiled):
    (mmcv / compiled).write_bytes(b'compiled')
    monkeypatch.setattr(stack, '_imports', lambda module: module == 'mmcv._ext')
    assert stack.complete_mmcv() == 'MMCV has its compiled operators'
    assert sorted(path.name for path in mmcv.iterdir()) == ['__init__.py', compiled]


def test_operators_compiled_for_another_torch_are_refused(mmcv, monkeypatch):
    (mmcv / '_ext.cpython-311-x86_64-linux-gnu.so').write_bytes(b'compiled')
    monkeypatch.setattr(stack, '_imports', lambda module: False)
    with pytest.raises(SystemExit, match='do not fit the installed torch'):
        stack.complete_mmcv()
    assert not (mmcv / '_ext.py').exists()


@pytest.mark.parametrize('installed', [{'mmcv'}, {'mmcv-lite'}, set()])
def test_only_what_is_missing_is_installed(monkeypatch, installed):
    asked = []
    monkeypatch.setattr(stack, '_is_installed', installed.__contains__)
    monkeypatch.setattr(stack, '_pip_install', asked.append)
    stack.install_packages()
    names = [requirement.split('==')[0] for requirement in asked[0]]
    assert names == (['mmpose'] if installed else ['mmpose', 'mmcv-lite'])
    assert all('--hash=sha256:' in requirement for requirement in asked[0])


def test_xtcocotools_gets_the_compiled_part_of_pycocotools(tmp_path, monkeypatch):
    """Its own compiled part, for NumPy 1, goes; its Python files come."""
    site, imports = tmp_path / 'site', iter([False])
    (site / 'xtcocotools').mkdir(parents=True)
    (site / 'xtcocotools/_mask.cpython-311-x86_64-linux-gnu.so').touch()

    def install(requirements, target, folder, *options):
        assert (requirements, target) == ([stack.XTCOCOTOOLS], '--target')
        package = Path(folder, 'xtcocotools')
        package.mkdir()
        (package / 'coco.py').write_text('class COCO: pass')
        (package / '_mask.cpython-311-x86_64-linux-gnu.so').write_bytes(b'\x7fELF\xff')

    monkeypatch.setattr(stack, '_imports', lambda module: next(imports))
    monkeypatch.setattr(stack, '_pip_install', install)
    monkeypatch.setattr(stack.sysconfig, 'get_path', lambda name: str(site))
    monkeypatch.setenv('PYTHONPATH', str(site))
    (site / 'xtcocotools/__init__.py').touch()
    assert stack.complete_xtcocotools() == 'xtcocotools has the compiled part of pycocotools'
    files = sorted(p.name for p in (site / 'xtcocotools').iterdir() if p.is_file())
    assert files == ['__init__.py', '_mask.py', 'coco.py']
