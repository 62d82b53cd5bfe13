"""The table of the ablations, and the loop that runs them."""

import json
import os
import subprocess

import pytest

from tests.conftest import ROOT
from tests.load_tool import load_tool

tool = load_tool('tools/analysis_tools/ablation_table.py')


def write_run(folder, *precisions):
    """A log with a validation for each AP; the other figures are fixed parts of it."""
    log = folder / '20260101_000000/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    keys = {'coco/AP': 1, 'coco/AP .5': 2, 'coco/AP .75': 0.5, 'coco/AP (M)': 1.5, 'coco/AP (L)': 3}
    lines = [
        {**{key: factor * ap for key, factor in keys.items()}, 'step': 10 * step}
        for step, ap in enumerate(precisions, 1)
    ]
    log.write_text('\n'.join(map(json.dumps, lines)))


def test_a_row_has_the_mean_and_the_spread_of_its_seeds(tmp_path, capsys):
    write_run(tmp_path / 'no-kpalign-0', 0.05)
    write_run(tmp_path / 'base-0', 0.02, 0.1)  # the last validation counts
    write_run(tmp_path / 'base-2', 0.2)
    tool.main([str(tmp_path)])
    assert capsys.readouterr().out.splitlines()[2:] == [
        '| base | 0, 2 | 0.150 (0.100 to 0.200) | 0.300 | 0.075 | 0.225 | 0.450 |',
        '| no-kpalign | 0 | 0.050 | 0.100 | 0.025 | 0.075 | 0.150 |',
    ]


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(SystemExit, match='no runs'):
        tool.main([str(tmp_path)])
    (tmp_path / 'base-0').mkdir()
    with pytest.raises(SystemExit, match='base-0: no validation'):
        tool.main([str(tmp_path)])


def test_the_loop_trains_each_row_with_each_seed_once(tmp_path):
    fake = tmp_path / 'python'
    fake.write_text('#!/bin/sh\necho "$2 $8" >> "$LOG"; mkdir -p "$6"\n')
    fake.chmod(0o755)
    env = dict(os.environ, PYTHON=str(fake), LOG=str(tmp_path / 'log'))
    command = ['bash', str(ROOT / 'tools/ablations.sh'), 'data', str(tmp_path / 'work'), '0 1']
    for _ in range(2):
        subprocess.run([*command, 'base', 'boxes'], env=env, check=True)
    rows = ['base', 'boxes']
    assert (tmp_path / 'log').read_text().splitlines() == [
        f'configs/ablation/{row}.py {seed}' for seed in '01' for row in rows
    ]
