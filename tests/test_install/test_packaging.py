"""The package as it is installed, and the lock that it is tested with."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.fileio import load
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [(ROOT / f'requirements/{name}.txt').read_text() for name in ('lock', 'checks')]
ENTRIES = [
    entry
    for lock in LOCKS
    for entry in lock.replace('\\\n', '').splitlines()
    if entry and not entry.startswith('#')
]
PINS = {
    canonicalize_name(requirement.name): requirement
    for entry in ENTRIES
    for requirement in [Requirement(entry.partition(' --hash')[0])]
}


INSTALLED = {canonicalize_name(one.metadata['Name']) for one in metadata.distributions()}


def git_files(*folders: str) -> set[str]:
    """Files under ``folders`` that a commit would hold."""
    command = ['git', 'ls-files', '--cached', '--others', '--exclude-standard', '--', *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f'needs a git checkout: {done.stderr.strip()}')
    return {name for name in done.stdout.splitlines() if (ROOT / name).is_file()}


def build(what: str, source: Path, folder: Path) -> Path:
    """Build the ``wheel`` or ``sdist`` of a source folder without network."""
    code = f'from setuptools import build_meta as b; print(b.build_{what}({str(folder)!r}))'
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope='module')
def built(tmp_path_factory) -> Path:
    """Folder with the source package, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp('built')
    checkout = folder / 'checkout'
    for name in git_files('.'):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_bytes((ROOT / name).read_bytes())
    sdist = build('sdist', checkout, folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter='data')
    build('wheel', folder / sdist.name.removesuffix('.tar.gz'), folder)
    return folder


@pytest.fixture(scope='module')
def installed(built) -> Path:
    """Folder on the path of Python that has what pip makes of the wheel."""
    (wheel,) = built.glob('*.whl')
    folder = built / 'site-packages'
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run_elsewhere(code: str, installed: Path, folder: Path) -> list[str]:
    """Lines that Python prints in a folder from which nothing of the checkout is seen."""
    done = subprocess.run(
        [sys.executable, '-P', '-c', code],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_wheel_holds_the_package_the_configs_and_the_tools(built):
    (wheel,) = built.glob('*.whl')
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if '.dist-info/' not in name}
    mim = git_files('configs', 'demo', 'tools', 'model-index.yml')
    wanted = {f'directpose/.mim/{name}' for name in mim if not name.endswith('.sh')}
    assert files == git_files('directpose', 'directpose_stack') | wanted
    assert 'directpose/py.typed' in files


def test_second_build_drops_the_configs_that_are_gone(built):
    (source,) = (path.parent for path in built.glob('directpose-*/pyproject.toml'))
    stale = source / 'build/lib/directpose/.mim/configs/gone.py'
    stale.touch()
    with zipfile.ZipFile(build('wheel', source, built)) as archive:
        assert not any(name.endswith('gone.py') for name in archive.namelist())


def test_source_package_holds_everything_but_its_own_checks(built):
    (sdist,) = built.glob('*.tar.gz')
    with tarfile.open(sdist) as archive:
        files = {name.partition('/')[2] for name in archive.getnames()}
    missing = git_files('.') - files
    assert missing <= {'.gitattributes', '.gitignore', '.ci/run', 'MANIFEST.in'}, missing


def test_metadata_of_the_wheel(built):
    (wheel,) = built.glob('*.whl')
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith('.dist-info/METADATA'))
        text = archive.read(name).decode()
        assert any(entry.endswith('licenses/LICENSE') for entry in archive.namelist())
    fields = Parser().parsestr(text)
    version: dict[str, str] = {}
    exec((ROOT / 'directpose/version.py').read_text(), version)
    assert fields['Version'] == version['__version__']
    assert fields['Description-Content-Type'] == 'text/markdown'
    assert fields.get_payload().strip() == (ROOT / 'README.md').read_text().strip()
    assert fields.get_all('Project-URL') == ['Paper, https://arxiv.org/abs/1911.07451']
    # Without extras the package is torch-free, for directpose.runtime.
    base = [text for text in fields.get_all('Requires-Dist') if 'extra' not in text]
    assert sorted(base) == ['numpy', 'onnxruntime', 'pillow']


def test_runtime_of_the_wheel_needs_three_packages(installed, tmp_path):
    """Nothing of the training stack is imported."""
    code = """
import sys
for name in ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet', 'mmpose', 'cv2', 'scipy',
             'matplotlib', 'onnx', 'xtcocotools', 'pycocotools'):
    sys.modules[name] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == 'mmpose' else find(name, *rest)
from directpose.runtime import DirectPose
print(sys.modules['directpose'].__file__)
"""
    assert run_elsewhere(code, installed, tmp_path) == [str(installed / 'directpose/__init__.py')]


def test_commands_that_need_torch_say_how_to_get_it(installed, tmp_path):
    code = """
import importlib.util, sys
sys.modules['mmengine'] = sys.modules['torch'] = None
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == 'mmpose' else find(name, *rest)
sys.stderr = sys.stdout
from directpose.__main__ import main
for command in ('train', 'test', 'export', 'check'):
    print(main([command, '--help']))
"""
    printed = run_elsewhere(code, installed, tmp_path)
    assert printed[1::2] == ['2'] * 4
    for command, line in zip(('train', 'test', 'export', 'check'), printed[::2]):
        assert line.startswith(f'error: {command} needs torch and OpenMMLab, and ')
        assert line.endswith("pip install 'directpose[openmmlab]', then python -m directpose_stack")


def test_configs_of_an_editable_checkout_are_bases_from_anywhere(built, tmp_path):
    checkout = built / 'checkout'
    for _ in range(2):  # an installation over an older one
        build('editable', checkout, tmp_path)
    name = 'directpose/directpose_r50-aa_fpn_8xb4-180k_coco.py'
    config = tmp_path / 'mine.py'
    config.write_text(f"_base_ = 'directpose::{name}'\n")
    code = f"""
import directpose
from mmengine.config import Config
print(directpose.__file__)
print(Config.fromfile({str(config)!r}).model.head.type)
"""
    expected = [str(checkout / 'directpose/__init__.py'), 'DirectPoseHead']
    assert run_elsewhere(code, checkout, tmp_path)[-2:] == expected


def test_configs_of_the_wheel_are_bases_from_anywhere(installed, tmp_path):
    name = 'directpose/directpose_r50-aa_fpn_8xb4-180k_coco.py'
    (tmp_path / 'mine.py').write_text(f"_base_ = 'directpose::{name}'\nmax_per_img = 7\n")
    code = """
import directpose
from mmengine.config import Config
cfg = Config.fromfile('mine.py')
print(directpose.__file__, cfg.max_per_img)
print(cfg.model.backbone.type)
from directpose.cli.config import load_config
print(load_config('directpose::directpose/directpose_r50-aa_fpn_8xb4-180k_coco.py').filename)
"""
    lines = run_elsewhere(code, installed, tmp_path)
    assert lines[-3:] == [
        f'{installed / "directpose/__init__.py"} 7',
        Config.fromfile(ROOT / 'configs' / name).model.backbone.type,
        str(installed / 'directpose/.mim/configs' / name),
    ]


@pytest.mark.parametrize('layout', ['checkout', 'wheel'])
def test_model_index_lists_every_config(layout, request):
    """What `mim search directpose` and MMPose's inferencers read."""
    root = ROOT
    if layout == 'wheel':
        root = request.getfixturevalue('installed') / 'directpose/.mim'
    models = [
        model
        for path in load(root / 'model-index.yml')['Import']
        for model in load(root / path)['Models']
    ]
    configs = sorted(f'configs/directpose/{f.name}' for f in root.glob('configs/directpose/*.py'))
    assert sorted({model['Config'] for model in models}) == configs
    assert len({model['Name'] for model in models}) == len(models)


def test_version_is_the_same_everywhere():
    version: dict[str, str] = {}
    exec((ROOT / 'directpose/version.py').read_text(), version)
    citation = load(ROOT / 'CITATION.cff', file_format='yaml')
    assert citation['version'] == version['__version__']
    assert f'## {version["__version__"]}' in (ROOT / 'CHANGELOG.md').read_text()


def test_every_pin_is_exact():
    for requirement in PINS.values():
        assert re.fullmatch(r'==[\w.]+', str(requirement.specifier)), requirement


def test_every_pin_has_hashes():
    assert len(ENTRIES) == len(PINS)  # none is in both files
    assert all(re.search(r'--hash=sha256:[0-9a-f]{64}', entry) for entry in ENTRIES)


def test_pins_leave_no_requirement_open():
    """What --no-deps does not check: every requirement of every pin is pinned, and fits."""
    open_requirements = set()
    for name, pin in PINS.items():
        if pin.marker and not pin.marker.evaluate():
            continue
        if canonicalize_name(name) not in INSTALLED:
            continue  # an environment without --checks
        if name == 'mmcv-lite' and find_spec('mmcv._ext').origin.endswith('.so'):
            continue  # a compiled MMCV is in its place
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
    # chumpy does not build, and nothing imports it; directpose_stack completes xtcocotools.
    assert open_requirements == {('mmpose', 'chumpy'), ('mmpose', 'xtcocotools')}


def test_extras_are_pinned_within_their_ranges():
    with open(ROOT / 'pyproject.toml', 'rb') as file:
        project = tomllib.load(file)['project']
    extras = project['optional-dependencies']
    # Gradio is not locked: the tests of its page run where Gradio and Chromium are installed.
    assert set(extras) == {
        'docs', 'export', 'openmmlab', 'supervision', 'tests', 'video', 'web',
    }  # fmt: skip
    pinned = [extras[name] for name in extras if name != 'web']
    for text in sum(pinned, project['dependencies']):
        requirement = Requirement(text)
        (version,) = (s.version for s in PINS[canonicalize_name(requirement.name)].specifier)
        assert requirement.specifier.contains(version), text


def test_package_is_found_from_anywhere(tmp_path):
    done = subprocess.run(
        # Importing the whole of it is a check of tools/check_env.py, which is tested too.
        [
            sys.executable,
            '-P',
            '-c',
            'from importlib.util import find_spec; print(find_spec("directpose").origin)',
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == ROOT / 'directpose/__init__.py'
