"""tools/setup_env.sh with a real virtual environment and pip, on a miniature repository.

The miniature's lock holds one tiny package, its stack is complete without more, and it builds
itself without setuptools, so that no network is needed.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Stands in for the command that completes the stack.
STACK = 'print("the stack is completed")'

BACKEND = (
    f"""
import zipfile
STACK = {STACK!r}
"""
    + """
def build_editable(folder, config_settings=None, metadata_directory=None):
    return write_wheel(folder, 'directpose', '0.1.0', '', directpose_stack=STACK)
def write_wheel(folder, name, version, code, **others):
    file = f'{name}-{version}-py3-none-any.whl'
    info = f'{name}-{version}.dist-info'
    with zipfile.ZipFile(f'{folder}/{file}', 'w') as wheel:
        wheel.writestr(f'{name}/__init__.py', code)
        for other, main in others.items():
            wheel.writestr(f'{other}/__main__.py', main)
        fields = 'Metadata-Version: 2.1', f'Name: {name}', f'Version: {version}'
        wheel.writestr(f'{info}/METADATA', '\\n'.join(fields))
        fields = 'Wheel-Version: 1.0', 'Root-Is-Purelib: true', 'Tag: py3-none-any'
        wheel.writestr(f'{info}/WHEEL', '\\n'.join(fields))
        wheel.writestr(f'{info}/RECORD', '')
    return file
"""
)

SELF_BUILT = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"


class Miniature:
    """A repository with the script, and the environment it makes; both in paths with spaces."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / 'my repository'
        self.venv = folder / 'my environments' / 'pose'
        self.index = folder / 'index'
        for path in ('tools', 'requirements', 'directpose', 'directpose_stack'):
            (self.root / path).mkdir(parents=True)
        shutil.copy(ROOT / 'tools/setup_env.sh', self.root / 'tools')
        (self.root / 'directpose/version.py').write_text("__version__ = '0.1.0'\n")
        (self.root / 'setup.py').write_text('')
        (self.root / 'backend.py').write_text(BACKEND)
        (self.root / 'pyproject.toml').write_text(
            SELF_BUILT + "[project]\nname = 'directpose'\nversion = '0.1.0'\n"
        )
        (self.root / 'directpose_stack/__main__.py').write_text(STACK)
        (self.root / 'requirements/compiled.txt').write_text('')
        (self.root / 'requirements/checks.txt').write_text('')
        self.index.mkdir()
        self.add_wheels(('tiny', '1.0'), ('tiny', '2.0'))
        self.lock('tiny==1.0')

    def add_wheels(self, *packages: tuple[str, str]) -> None:
        """Put wheels of a name and a version where pip looks for them."""
        namespace = {}
        exec(BACKEND, namespace)
        for name, version in packages:
            namespace['write_wheel'](self.index, name, version, f'version = {version!r}')

    def add_source_of_mmcv(self) -> None:
        """Put the source of a package ``mmcv`` where pip looks for it, which builds anywhere."""
        builds = 'import os\ndef build_wheel(folder, *args):\n' + (
            "    code = 'compiled' if os.environ.get('MMCV_WITH_OPS') else ''\n"
            "    return write_wheel(folder, 'mmcv', '2.1.0', code)\n"
        )
        files = {'backend.py': BACKEND + builds, 'pyproject.toml': SELF_BUILT}
        source = self.index / 'mmcv-2.1.0.tar.gz'
        with tarfile.open(source, 'w:gz') as archive:
            for name, text in files.items():
                member = tarfile.TarInfo(f'mmcv-2.1.0/{name}')
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
        digest = sha256(source.read_bytes()).hexdigest()
        pin = f'mmcv==2.1.0 --hash=sha256:{digest}\n'
        (self.root / 'requirements/compiled.txt').write_text(pin)

    def lock(self, *pins: str, name: str = 'lock') -> None:
        """Write a lock with the hashes of the packages' wheels, or others without a wheel."""
        text = '# a comment\n'
        for pin in pins:
            wheel = self.index / f'{pin.replace("==", "-")}-py3-none-any.whl'
            digest = sha256(wheel.read_bytes()).hexdigest() if wheel.exists() else '0' * 64
            text += f'{pin} \\\n    --hash=sha256:{digest}\n'
        (self.root / f'requirements/{name}.txt').write_text(text)

    def set_up(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        """Run the script, from another directory than the repository's."""
        environment = {
            **os.environ,
            'PIP_NO_INDEX': '1',
            'PIP_FIND_LINKS': self.index.as_uri(),
            'DIRECTPOSE_VENV': str(self.venv),
            'DIRECTPOSE_PYTHON': sys.executable,
            **variables,
        }
        return subprocess.run(
            ['bash', str(self.root / 'tools/setup_env.sh'), *arguments],
            cwd=self.index,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def tiny_version(self) -> str:
        code = 'import tiny, directpose; print(tiny.version)'
        command = [self.venv / 'bin/python', '-P', '-c', code]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope='module')
def shared(tmp_path_factory) -> Miniature:
    """A miniature whose set-up was interrupted before the environment had pip, then run again."""
    miniature = Miniature(tmp_path_factory.mktemp('ready'))
    command = [sys.executable, '-m', 'venv', '--without-pip', str(miniature.venv)]
    subprocess.run(command, check=True)
    done = miniature.set_up()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'The environment in {miniature.venv} is ready.' in done.stdout
    assert '    the stack is completed\n' in done.stdout
    return miniature


@pytest.fixture
def ready(shared) -> Miniature:
    """The shared miniature. Its environment may lack what the lock says."""
    shared.lock('tiny==1.0')
    return shared


@pytest.fixture
def fresh(tmp_path) -> Miniature:
    """A miniature without an environment."""
    return Miniature(tmp_path)


def test_lock_and_project_are_installed_and_a_second_run_has_nothing_to_do(ready):
    assert ready.set_up().returncode == 0
    assert ready.tiny_version() == '1.0'
    done = ready.set_up(PIP_FIND_LINKS='file:///nowhere')
    assert done.returncode == 0
    assert done.stdout == f'The environment in {ready.venv} is ready.\n'


def test_changed_lock_is_followed(ready):
    for version in ('1.0', '2.0'):
        ready.lock(f'tiny=={version}')
        assert ready.set_up().returncode == 0
        assert ready.tiny_version() == version


def test_package_removed_by_hand_comes_back(ready):
    assert ready.set_up().returncode == 0
    for folder in ready.venv.glob('lib/python3.*/site-packages/tiny*'):
        shutil.rmtree(folder)
    assert ready.set_up().returncode == 0
    assert ready.tiny_version() == '1.0'


def test_half_copied_package_of_an_interrupted_run_is_completed(ready):
    assert ready.set_up().returncode == 0
    (site,) = ready.venv.glob('lib/python3.*/site-packages')
    (site / 'tiny/__init__.py').unlink()
    (site / 'tiny-1.0.dist-info/INSTALLER').unlink()  # pip writes it after all files
    (ready.venv / '.directpose-ready').unlink()  # and this script its mark at the very end
    assert ready.set_up().returncode == 0
    assert ready.tiny_version() == '1.0'


def test_failure_shows_the_reason_and_is_not_taken_for_done(ready):
    ready.lock('tiny==3.0')
    for _ in range(2):
        done = ready.set_up()
        assert done.returncode == 1
        assert 'No matching distribution found for tiny==3.0' in done.stderr
        assert f'{ready.venv}/setup.log' in done.stderr


def test_package_with_another_hash_is_refused(ready):
    ready.lock('tiny==3.1')
    wheel = ready.index / 'tiny-3.1-py3-none-any.whl'
    shutil.copy(ready.index / 'tiny-2.0-py3-none-any.whl', wheel)
    done = ready.set_up()
    wheel.unlink()
    assert done.returncode == 1
    assert 'HASH' in done.stderr
    assert not list(ready.venv.glob('lib/python3.*/site-packages/tiny-3.1*'))


def test_torch_for_cpus_and_a_compiled_mmcv_stay(fresh):
    """Also when another script calls this one without the options."""
    others = 'torch==0.1', 'torchvision==0.1', 'nvidia-cublas==0.1', 'triton==0.1', 'mmcv-lite==0.1'
    fresh.add_wheels(('torch', '0.1+cpu'), ('torchvision', '0.1+cpu'), ('ninja', '1.0'))
    fresh.add_source_of_mmcv()
    fresh.lock('tiny==1.0', *others)
    done = fresh.set_up('--cpu', '--compile-mmcv', CXX='true')
    assert done.returncode == 0, done.stdout + done.stderr
    (site,) = fresh.venv.glob('lib/python3.*/site-packages')
    built = {path.name: path.stat().st_mtime_ns for path in site.glob('mmcv*')}
    assert (site / 'mmcv/__init__.py').read_text() == 'compiled'

    fresh.lock('tiny==2.0', *others)
    for _ in range(2):
        done = fresh.set_up(CXX='true')
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == f'The environment in {fresh.venv} is ready.\n'
    assert fresh.tiny_version() == '2.0'
    assert {path.name: path.stat().st_mtime_ns for path in site.glob('mmcv*')} == built
    for absent in others[2:]:
        assert not list(site.glob(f'{absent[:-5].replace("-", "_")}*'))


def test_what_the_tests_need_is_installed_on_demand_and_stays(fresh):
    fresh.add_wheels(('checker', '1.0'), ('checker', '2.0'))
    fresh.lock('checker==1.0', name='checks')
    assert fresh.set_up().returncode == 0
    (site,) = fresh.venv.glob('lib/python3.*/site-packages')
    assert not list(site.glob('checker-*'))
    for version, arguments in (('1.0', ['--checks']), ('2.0', [])):
        fresh.lock(f'checker=={version}', name='checks')
        done = fresh.set_up(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert [path.name for path in site.glob('checker-*')] == [f'checker-{version}.dist-info']


def test_compiling_without_a_compiler_is_refused(fresh):
    done = fresh.set_up('--compile-mmcv', CXX='no-such-compiler')
    assert done.returncode == 1
    assert '--compile-mmcv needs a C++ compiler' in done.stderr
    assert not fresh.venv.exists()


def test_environment_of_another_python_is_refused(ready, tmp_path):
    other = tmp_path / 'python3.12'
    other.write_text('#!/bin/sh\necho Python 3.12.99\n')
    other.chmod(0o755)
    assert ready.set_up().returncode == 0
    done = ready.set_up(DIRECTPOSE_PYTHON=str(other))
    # Nothing is to be done, so nothing is refused ...
    assert done.returncode == 0
    # ... but no other environment is made in its place.
    (ready.venv / '.directpose-ready').unlink()
    done = ready.set_up(DIRECTPOSE_PYTHON=str(other))
    assert done.returncode == 1
    assert 'DIRECTPOSE_PYTHON is another' in done.stderr


def test_unsupported_python_is_refused_with_a_remedy(fresh, tmp_path):
    old = tmp_path / 'python3'
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.18 && exit\nexit 1\n')
    old.chmod(0o755)
    done = fresh.set_up(DIRECTPOSE_PYTHON=str(old))
    assert done.returncode == 1
    assert 'Python 3.11 to 3.13' in done.stderr
    assert 'Python 3.9.18' in done.stderr
    assert 'DIRECTPOSE_PYTHON=/path/to/python3.12' in done.stderr
    assert not fresh.venv.exists()


def test_supported_python_is_found_behind_an_unsupported_python3(fresh, tmp_path):
    for name in ('python3', 'python3.13'):
        (tmp_path / name).write_text('#!/bin/sh\nexit 1\n')
    # Supported, by its answer; and says who it is when it shall make the environment.
    (tmp_path / 'python3.12').write_text(
        '#!/bin/sh\n[ "$2" != venv ] || { echo It is me; exit 1; }\n'
    )
    for name in ('python3', 'python3.13', 'python3.12'):
        (tmp_path / name).chmod(0o755)
    done = fresh.set_up(DIRECTPOSE_PYTHON='', PATH=f'{tmp_path}:{os.environ["PATH"]}')
    assert done.returncode == 1
    assert f'this failed: {tmp_path}/python3.12 -m venv {fresh.venv}' in done.stderr
    assert 'It is me' in done.stderr


def test_broken_environment_is_refused_with_a_remedy(fresh):
    (fresh.venv / 'bin').mkdir(parents=True)
    (fresh.venv / 'bin/python').symlink_to('/nowhere/python3')
    done = fresh.set_up()
    assert done.returncode == 1
    assert 'its Python has moved or gone' in done.stderr
    remedy = done.stderr.partition('rm -r ')[2].strip()
    subprocess.run(['bash', '-c', f'rm -r {remedy}'], check=True)
    assert not fresh.venv.exists()


def test_python_without_ensurepip_is_refused_with_a_remedy(fresh, tmp_path):
    """Each time: the folder that the first run has made is not taken for one of other things."""
    python = tmp_path / 'python3'
    python.write_text(
        f'#!/bin/bash\n[[ "$*" != *ensurepip* ]] && exec {sys.executable} "$@"\nexit 1\n'
    )
    python.chmod(0o755)
    for _ in range(2):
        done = fresh.set_up(DIRECTPOSE_PYTHON=str(python))
        assert done.returncode == 1
        assert f'ERROR: {python} cannot make virtual environments.' in done.stderr
        assert 'sudo apt-get install -y python3.' in done.stderr


def test_little_space_is_told_before_the_download(fresh, tmp_path):
    for name in ('df', 'python3'):
        (tmp_path / name).touch(0o755)
    (tmp_path / 'python3').write_text('#!/bin/bash\n[[ "$*" != *"-m venv"* ]]\n')
    warning = 'WARNING: {} has less than {} GB free, which the {} needs: make room, or name a '
    warning += 'folder on another disk in {}.'

    def told(free: int, *arguments: str) -> list[str]:
        (tmp_path / 'df').write_text(f'#!/bin/sh\necho Avail\necho "   {free}"\n')
        path = f'{tmp_path}:{os.environ["PATH"]}'
        variables = dict(PATH=path, TMPDIR=str(tmp_path), DIRECTPOSE_PYTHON='python3')
        lines = fresh.set_up(*arguments, **variables).stderr.splitlines()
        return [line for line in lines if line.startswith('WARNING')]

    environment = warning.format(fresh.venv, 6, 'environment', 'DIRECTPOSE_VENV')
    assert told(6) == []
    assert told(5) == [environment]
    assert told(1) == [environment, warning.format(tmp_path, 2, 'download', 'TMPDIR')]
    assert told(1, '--cpu') == [warning.format(fresh.venv, 2, 'environment', 'DIRECTPOSE_VENV')]


def test_folder_of_other_things_is_refused(fresh):
    fresh.venv.mkdir(parents=True)
    (fresh.venv / 'thesis.tex').touch()
    done = fresh.set_up()
    assert done.returncode == 1
    assert 'is not a virtual environment' in done.stderr
    assert [path.name for path in fresh.venv.iterdir()] == ['thesis.tex']


def test_unknown_argument_is_refused(fresh):
    done = fresh.set_up('--force')
    assert done.returncode == 1
    assert 'unknown arguments: --force' in done.stderr
    assert not fresh.venv.exists()
