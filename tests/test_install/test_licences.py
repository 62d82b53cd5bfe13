"""docs/en/licences.md against the metadata of what is installed."""

import re
from contextlib import suppress
from importlib import metadata

from packaging.utils import canonicalize_name
from rendered.anatomy import PACKAGES as RENDERING

from tests.conftest import ROOT

PAGE = (ROOT / 'docs/en/licences.md').read_text()
LOCK = (ROOT / 'requirements/lock.txt').read_text()
LOCKED = {canonicalize_name(name) for name in re.findall(r'^([\w-]+)==', LOCK, re.MULTILINE)}
# What the packages write, where that is no SPDX identifier.
SPELLINGS = {
    '3-Clause BSD License': 'BSD-3-Clause',
    'Apache 2.0': 'Apache-2.0',
    'Apache License 2.0': 'Apache-2.0',
    'Apache Software License': 'Apache-2.0',
    'BSD License': 'BSD',
    'FreeBSD': 'BSD-2-Clause',
    'MIT License': 'MIT',
    'NVIDIA Proprietary Software': 'LicenseRef-NVIDIA-Proprietary',
    'Python Software Foundation License': 'PSF-2.0',
}


def read_table() -> dict[str, str]:
    """Package -> licence, from the page's table of licences and their packages."""
    rows = re.findall(r'^\| `(.+?)` \| (.+?) \|$', PAGE, re.MULTILINE)
    table = {}
    for licence, packages in rows:
        for package in packages.split(', '):
            name = canonicalize_name(package)
            assert name not in table, f'{package} is listed twice'
            table[name] = licence
    return table


def stated_licence(name: str) -> str:
    """The licence in a package's metadata: its SPDX expression, else its classifier or text."""
    fields = metadata.metadata(name)
    classifiers = [
        text.rpartition(' :: ')[2]
        for text in fields.get_all('Classifier') or []
        if text.startswith('License :: ') and not text.endswith('DFSG approved')
    ]
    # Some classify what they name more exactly as "other".
    classifiers = [text for text in classifiers if text != 'Other/Proprietary License']
    text = (fields.get('License') or '').partition('\n')[0]
    stated = fields.get('License-Expression') or (classifiers[0] if classifiers else text)
    return SPELLINGS.get(stated, stated) or 'not stated'


def test_every_locked_package_is_listed_and_no_other() -> None:
    # Not in the lock: what directpose_stack completes, what --compile-mmcv installs, what the
    # extras of videos and the page need, and what the renderer of people needs.
    optional = {'xtcocotools', 'mmcv', 'av', 'gradio', *RENDERING}
    assert set(read_table()) == LOCKED | optional


def test_licences_are_what_the_packages_state() -> None:
    listed, stated = read_table(), {}
    for name in listed:
        # Not installed: what is for other machines, and MMCV's other form.
        with suppress(metadata.PackageNotFoundError):
            stated[name] = stated_licence(name)
    assert len(stated) > 50
    assert stated == {name: listed[name] for name in stated}


def test_no_licence_binds_the_code_that_uses_the_package() -> None:
    assert not [licence for licence in read_table().values() if 'GPL' in licence]
