"""docs/en/model_zoo.md lists the configs that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_config_has_one_row_and_every_row_a_config():
    page = (ROOT / 'docs/en/model_zoo.md').read_text()
    listed = re.findall(r'^\| `(.+?\.py)` \|', page, flags=re.MULTILINE)
    assert sorted(listed) == sorted(file.name for file in ROOT.glob('configs/directpose/*.py'))
