"""The page on reliability names tests that exist."""

import re

from tests.conftest import ROOT


def test_every_test_that_the_page_names_exists():
    page = (ROOT / 'docs/en/reliability.md').read_text()
    named = re.findall(r'`(test_\S+?\.py)::(test_\w+)`', page)
    assert len(named) > 30
    for file, name in named:
        assert f'def {name}(' in (ROOT / 'tests' / file).read_text(), f'{file}::{name}'


def test_every_row_names_a_test():
    tables = re.findall(r'((?:^\|.*\n)+)', (ROOT / 'docs/en/reliability.md').read_text(), re.M)
    tables = [table for table in tables if table.partition('\n')[0].endswith('| test |')]
    assert len(tables) > 4
    for table in tables:
        for row in table.splitlines()[2:]:
            assert '::test_' in row.split('|')[-2], row
