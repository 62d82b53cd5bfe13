"""Complete the OpenMMLab stack without a compiler: ``python -m directpose_stack``.

pip alone cannot install the stack. MMPose requires chumpy, which does not build and which nothing
imports. MMCV's full package and xtcocotools are compiled while they are installed. This command

1. installs MMPose without its requirements (the extra ``directpose[openmmlab]`` names them),
   ``mmcv-lite`` where there is no MMCV, and the Python part of xtcocotools;
2. gives an MMCV that has no compiled operators those of torchvision
   (:mod:`directpose_stack.mmcv_operators`), and xtcocotools the compiled part of pycocotools.

What is compiled and works stays as it is. The command may be run again at any time. It uses the
standard library only, and is run by the Python of the environment that it completes.
"""

import argparse
import importlib
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

# Each is one wheel for every machine, or used as if it were.
MMPOSE = (
    'mmpose==1.3.2 --hash=sha256:70a77b4e5fc96a9295012ab0505b975f192b22372b2f59e3110200c1462576b6'
)
MMCV_LITE = (
    'mmcv-lite==2.1.0 '
    '--hash=sha256:1d9913c35f793de4a3a022b93cecb712e1e7262eb4704eb8cd15e623dd375000'
)
XTCOCOTOOLS = (
    'xtcocotools==1.14.3 '
    '--hash=sha256:126ca596229b2016552bf27cad01f3a2f70a3ff7576a58305a00499cb9e0057d'
)

# The published wheel is for this Python and machine. Only its Python files are used, anywhere.
_WHEEL_OF_XTCOCOTOOLS = (
    '--python-version',
    '3.11',
    '--implementation',
    'cp',
    '--platform',
    'manylinux1_x86_64',
)

_OPERATORS = Path(__file__).with_name('mmcv_operators.py')

_MASK = '''\
"""Written by `python -m directpose_stack`: the compiled part of pycocotools, which is the same."""

from pycocotools._mask import *  # noqa: F403
from pycocotools._mask import _frString, _toString  # noqa: F401
'''


def _pip_install(requirements: list[str], *options: str) -> None:
    """Install wheels whose hashes are as named, without their requirements, or end the program."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, 'requirements.txt')
        file.write_text('\n'.join(requirements))
        command = [sys.executable, '-m', 'pip', '--disable-pip-version-check', 'install']
        command += ['--quiet', '--no-deps', '--only-binary', ':all:', '--require-hashes']
        done = subprocess.run([*command, *options, '-r', str(file)])
    if done.returncode:
        names = ', '.join(requirement.split()[0] for requirement in requirements)
        sys.exit(f'error: pip could not install {names}; run this command again to go on from here')


def _is_installed(package: str) -> bool:
    """Whether a distribution of this name is installed."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _imports(module: str) -> bool:
    """Whether a module imports, in a process of its own."""
    return not subprocess.run(
        [sys.executable, '-c', f'import {module}'], capture_output=True
    ).returncode


def install_packages() -> None:
    """Install what is missing of MMPose and MMCV, without their requirements."""
    missing = [] if _is_installed('mmpose') else [MMPOSE]
    if not _is_installed('mmcv') and not _is_installed('mmcv-lite'):
        missing.append(MMCV_LITE)
    if missing:
        _pip_install(missing)
        importlib.invalidate_caches()  # this process is to find them


def complete_mmcv() -> str:
    """Give an MMCV without compiled operators those of torchvision.

    Returns:
        str: Which operators MMCV has now.
    """
    folder = Path(find_spec('mmcv').origin).parent
    compiled = any(folder.glob('_ext.*.so')) or any(folder.glob('_ext.*.pyd'))
    if compiled and _imports('mmcv._ext'):
        return 'MMCV has its compiled operators'
    if compiled:
        sys.exit(
            f'error: the compiled operators in {folder} do not fit the installed torch; install '
            'mmcv anew, or remove it and run this again to use the operators of torchvision'
        )
    # A copy, because importing directpose from within MMCV would import MMCV again.
    _write(folder / '_ext.py', _OPERATORS.read_text())
    return 'MMCV has the operators of torchvision'


def complete_xtcocotools() -> str:
    """Install xtcocotools' Python files where it does not work, over pycocotools' compiled part.

    Returns:
        str: Which compiled part xtcocotools has now.
    """
    if not _imports('xtcocotools.mask'):
        site = Path(sysconfig.get_path('purelib'))
        with tempfile.TemporaryDirectory() as folder:
            _pip_install([XTCOCOTOOLS], '--target', folder, *_WHEEL_OF_XTCOCOTOOLS)
            for source in sorted(Path(folder).rglob('*')):
                target = site / source.relative_to(folder)
                # The compiled part is for NumPy 1.
                if source.is_file() and source.suffix not in ('.so', '.pyc'):
                    target.parent.mkdir(exist_ok=True)
                    _write(target, source.read_text())
        package = site / 'xtcocotools'
        for compiled in package.glob('_mask.*.so'):
            compiled.unlink()
        _write(package / '_mask.py', _MASK)
    spec = subprocess.run(
        [sys.executable, '-c', 'import xtcocotools._mask as m; print(m.__file__)'],
        capture_output=True,
        text=True,
    )
    if spec.returncode:
        sys.exit(f'error: xtcocotools does not import:\n{spec.stderr}')
    written = spec.stdout.strip().endswith('.py')
    return f'xtcocotools has {"the compiled part of pycocotools" if written else "its own"}'


def _write(path: Path, text: str) -> None:
    """Write a file in one step, and not at all where it says so already."""
    if path.is_file() and path.read_text() == text:
        return
    part = path.with_name(path.name + '.part')
    part.write_text(text)
    part.replace(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog='python -m directpose_stack',
        description='Complete the OpenMMLab stack of this environment, without a compiler.',
    )
    parser.parse_args(argv)
    if find_spec('torch') is None or find_spec('pycocotools') is None:
        sys.exit(
            'error: torch and pycocotools come first: pip install "directpose[openmmlab]", '
            'then run this again'
        )
    install_packages()
    print(complete_mmcv())
    print(complete_xtcocotools())


if __name__ == '__main__':
    main()
