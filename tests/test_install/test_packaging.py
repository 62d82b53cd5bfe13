"""The package as it is installed, and the lock that it is tested with."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PINS = {
    canonicalize_name(requirement.name): requirement
    for file in ('lock.txt', 'source.txt')
    for line in (ROOT / 'requirements' / file).read_text().splitlines()
    if line and not line.startswith('#')
    for requirement in [Requirement(line)]
}


def git_files(*folders: str) -> set[str]:
    """Files under ``folders`` that a commit would hold."""
    command = ['git', 'ls-files', '--cached', '--others', '--exclude-standard', '--', *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f'needs a git checkout: {done.stderr.strip()}')
    return {name for name in done.stdout.splitlines() if (ROOT / name).is_file()}


@pytest.fixture(scope='module')
def built(tmp_path_factory) -> Path:
    """Folder with the source package and the wheel, built without network."""
    folder = tmp_path_factory.mktemp('built')
    source = folder / 'source'
    for name in git_files('.'):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    code = (
        'from setuptools import build_meta as backend; '
        f'backend.build_sdist({str(folder)!r}); backend.build_wheel({str(folder)!r})'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_wheel_holds_the_whole_package_and_nothing_else(built):
    (wheel,) = built.glob('*.whl')
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if '.dist-info/' not in name}
    assert files == git_files('directpose')


def test_source_package_holds_what_the_wheel_is_built_from(built):
    (sdist,) = built.glob('*.tar.gz')
    with tarfile.open(sdist) as archive:
        files = {name.partition('/')[2] for name in archive.getnames()}
    wanted = git_files('directpose', 'requirements', 'tools', 'tests', 'LICENSE')
    assert wanted | {'pyproject.toml', 'setup.py'} <= files


def test_metadata_of_the_wheel(built):
    (wheel,) = built.glob('*.whl')
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith('.dist-info/METADATA'))
        fields = archive.read(name).decode().splitlines()
        assert any(entry.endswith('licenses/LICENSE') for entry in archive.namelist())
    version: dict[str, str] = {}
    exec((ROOT / 'directpose/version.py').read_text(), version)
    assert f'Version: {version["__version__"]}' in fields
    # Without extras the package is torch-free, for directpose.runtime.
    base = [line for line in fields if line.startswith('Requires-Dist:') and 'extra' not in line]
    assert base == ['Requires-Dist: numpy']


def test_every_pin_is_exact():
    for requirement in PINS.values():
        assert re.fullmatch(r'==[\w.]+', str(requirement.specifier)), requirement


def test_pins_leave_no_requirement_open():
    """What --no-deps does not check: every requirement of every pin is pinned, and fits."""
    open_requirements = set()
    for name, pin in PINS.items():
        if pin.marker and not pin.marker.evaluate():
            continue
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({'extra': ''}):
                continue
            wanted = PINS.get(canonicalize_name(requirement.name))
            if wanted is None:
                open_requirements.add((name, requirement.name))
            else:
                (version,) = (specifier.version for specifier in wanted.specifier)
                assert requirement.specifier.contains(version, prereleases=True), (name, text)
    # chumpy does not build, and nothing imports it.
    assert open_requirements == {('mmpose', 'chumpy')}


def test_extras_are_pinned_within_their_ranges():
    with open(ROOT / 'pyproject.toml', 'rb') as file:
        project = tomllib.load(file)['project']
    extras = project['optional-dependencies']
    assert set(extras) == {'export', 'openmmlab', 'runtime', 'tests'}
    for text in sum(extras.values(), project['dependencies']):
        requirement = Requirement(text)
        (version,) = (s.version for s in PINS[canonicalize_name(requirement.name)].specifier)
        assert requirement.specifier.contains(version), text


def test_package_is_importable_from_anywhere(tmp_path):
    done = subprocess.run(
        [sys.executable, '-P', '-c', 'import directpose; print(directpose.__file__)'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == ROOT / 'directpose/__init__.py'
