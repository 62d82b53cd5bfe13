"""docs/en/own_keypoints.md, followed word by word on drawn mice."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from directpose.dataset_check import check_annotations, load_annotations
from tests.drawn_mice import write_mice

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / 'docs/en/own_keypoints.md').read_text()
# Fewer steps than the guide's, from pictures that are more alike than anyone's own.
STEPS = 130
FEWER_STEPS = (
    f'--seed 0 --cfg-options train_cfg.max_iters={STEPS} train_cfg.val_interval={STEPS} '
    f'param_scheduler.0.end=10 param_scheduler.1.begin=10 param_scheduler.1.end={STEPS} '
    'train_dataloader.batch_size=4'
)


def blocks(language):
    return re.findall(rf'```{language}\n(.*?)```', GUIDE, flags=re.DOTALL)


@pytest.fixture
def workspace(tmp_path):
    """A root of the repository in which ``data/mice`` is what the guide makes."""
    for name in ('configs', 'demo', 'directpose', 'tools'):
        (tmp_path / name).symlink_to(ROOT / name)
    mice = tmp_path / 'data/mice'
    write_mice(mice, num_train=32, num_val=8)
    metainfo, config = blocks('python')
    (mice / 'metainfo.py').write_text(metainfo)
    (mice / 'directpose_mice.py').write_text(config)
    return tmp_path


def call(line, folder):
    """Run a line of the guide with this Python and return what it prints."""
    environment = dict(
        os.environ,
        OMP_NUM_THREADS='1',
        PYTHONPATH=str(folder),
        PATH=f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}',
    )
    done = subprocess.run(
        line,
        shell=True,
        cwd=folder,
        env=environment,
        text=True,
        timeout=300,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, f'{line}\n{done.stdout}'
    return done.stdout


@pytest.mark.slow
def test_guide_leads_to_a_model_that_finds_mice(workspace):
    checks, use = blocks('bash')
    for line in checks.splitlines():
        assert '0 error(s)' in call(line, workspace)

    train, test, demo = (
        line.replace('iter_1200.pth', f'iter_{STEPS}.pth') for line in use.splitlines()
    )
    log = call(f'{train} {FEWER_STEPS}', workspace)
    assert "'mice' has no sigmas: 0.067" in log
    assert 'no flip pairs' not in log
    losses = [float(loss) for loss in re.findall(r' loss: ([\d.]+)', log)]
    assert losses[-1] < losses[0] / 2

    call(f'{test} --out metrics.json', workspace)
    metrics = json.loads((workspace / 'metrics.json').read_text())
    assert len(metrics) == 10
    assert metrics['coco/AP .5'] > 0.2
    assert len(list((workspace / 'work_dirs/mice/poses').iterdir())) == 8

    call(demo, workspace)
    found = [
        json.loads(file.read_text())
        for file in (workspace / 'work_dirs/mice/demo/predictions').iterdir()
    ]
    assert len(found) == 32 + 8
    assert all(len(mouse['keypoints']) == 5 for picture in found for mouse in picture)


def test_annotations_of_the_guide_are_sound(workspace):
    """The example alone, with the picture of another mouse."""
    mice = workspace / 'data/mice'
    (example,) = blocks('json')
    (mice / 'annotations/example.json').write_text(example)
    data = load_annotations(
        str(mice / 'annotations/example.json'), str(mice / 'images'), str(mice / 'metainfo.py')
    )
    findings = check_annotations(data, min_keypoints=1)
    assert [finding.kind for finding in findings] == ['sigmas-default']
