"""The arrows between the rooms of the package."""

import ast
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / 'directpose'

# What each part of the package may import of the package. All may import `errors` and `version`.
MAY_IMPORT = {
    'geometry': set(),
    'pictures': set(),
    'metainfo': set(),
    'packaged': set(),
    'weights': set(),
    'drawing': set(),
    'runtime': {'drawing', 'geometry', 'pictures', 'weights'},
    'models': {'geometry', 'metainfo'},
    # What the checker refuses the data sets refuse in its words: they call its checks.
    'datasets': {'dataset_check', 'geometry', 'metainfo', 'pictures'},
    'dataset_check': {'metainfo', 'pictures'},
    'engine': {'datasets', 'weights'},
    'visualization': {'drawing', 'metainfo'},
    'deployment': {'datasets', 'models', 'runtime'},
    'apis': {'models', 'packaged'},
    # It turns the errors of these parts into messages.
    'cli': {'dataset_check', 'engine', 'metainfo', 'packaged', 'pictures', 'runtime'},
    'analysis': {'apis', 'dataset_check', 'models', 'metainfo'},
}


def imported_modules(source: str, package: str) -> Iterator[str]:
    """Names of the modules that a file of `package` imports, also within functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split('.')
            base = parts[: len(parts) - node.level + 1] if node.level else []
            module = '.'.join([*base, *filter(None, [node.module])])
            yield from (f'{module}.{alias.name}' for alias in node.names)


def rooms_used(part: str) -> set[str]:
    """The other parts of the package that a part imports."""
    folder = PACKAGE / part
    files = folder.rglob('*.py') if folder.is_dir() else [PACKAGE / f'{part}.py']
    used = set()
    for file in files:
        package = '.'.join(file.parent.relative_to(ROOT).parts)
        for name in imported_modules(file.read_text(), package):
            if name.startswith('directpose.'):
                used.add(name.split('.')[1])
            assert not name.startswith(('tools', 'tests', 'synthetic')), f'{file} imports {name}'
    return used - {part, 'errors', 'version', '__version__'}


@pytest.mark.parametrize('part', MAY_IMPORT)
def test_imports_run_downwards(part: str) -> None:
    assert rooms_used(part) <= MAY_IMPORT[part]


def test_every_part_is_listed() -> None:
    parts = {p.stem for p in PACKAGE.iterdir() if p.suffix == '.py' or (p / '__init__.py').exists()}
    assert parts - {'__init__', 'errors', 'version', '__main__'} == set(MAY_IMPORT)


def test_finds_every_kind_of_import() -> None:
    source = 'import a.b\nfrom . import c\nfrom ..d import e\ndef f():\n    from .g import h\n'
    found = set(imported_modules(source, 'directpose.x'))
    assert found == {'a.b', 'directpose.x.c', 'directpose.d.e', 'directpose.x.g.h'}
