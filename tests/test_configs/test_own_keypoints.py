"""docs/en/own_keypoints.md, followed word by word on drawn mice."""

import json
import re
import shlex

import numpy as np
import pytest

from directpose.dataset_check import check_annotations, load_annotations
from tests.conftest import ROOT
from tests.load_tool import load_tool, run_tool

mice = load_tool('tools/dataset_converters/make_drawn_mice.py')
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


def draw_alike(rng):
    """Draw a small picture with one mouse, always of the same look: easier than anyone's own."""
    image = mice.draw_bedding(rng)
    middle, length = rng.uniform((68, 45), (92, 75)), rng.uniform(48, 58)
    return image, [mice.draw_mouse(image, np.random.default_rng(0), middle, length)]


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A root of the repository in which ``data/mice`` is what the guide makes."""
    for name in ('configs', 'demo', 'directpose', 'tools'):
        (tmp_path / name).symlink_to(ROOT / name)
    folder = tmp_path / 'data/mice'
    monkeypatch.setattr(mice, 'SIZE', (160, 120))
    monkeypatch.setattr(mice, 'draw_picture', draw_alike)
    mice.write_mice(folder, num_train=32, num_val=8)
    metainfo, config = blocks('python')
    (folder / 'metainfo.py').write_text(metainfo)
    (folder / 'directpose_mice.py').write_text(config)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('LOCAL_RANK', '0')  # the tools set it
    return tmp_path


@pytest.fixture
def call(workspace, capfd):
    """Run a line of the guide, in its folder, and return what it prints."""

    def run(line):
        python, *words = shlex.split(line)
        assert python == 'python'
        capfd.readouterr()
        assert not run_tool(*words)
        return ''.join(capfd.readouterr())

    return run


@pytest.mark.slow
def test_guide_leads_to_a_model_that_finds_mice(workspace, call):
    checks, use = (block.replace('\\\n', '') for block in blocks('bash'))
    for line in checks.splitlines():
        assert '0 error(s)' in call(line)

    train, test, demo = (
        line.replace('iter_1200.pth', f'iter_{STEPS}.pth') for line in use.splitlines()
    )
    log = call(f'{train} {FEWER_STEPS}')
    assert "'mice' has no sigmas: 0.067" in log
    assert 'no flip pairs' not in log
    losses = [float(loss) for loss in re.findall(r' loss: ([\d.]+)', log)]
    assert losses[-1] < losses[0] / 2

    call(f'{test} --out metrics.json')
    metrics = json.loads((workspace / 'metrics.json').read_text())
    assert len(metrics) == 10
    assert metrics['coco/AP .5'] > 0.2
    assert len(list((workspace / 'work_dirs/mice/poses').iterdir())) == 8

    call(demo)
    found = [
        json.loads(file.read_text())
        for file in (workspace / 'work_dirs/mice/demo/predictions').iterdir()
    ]
    assert len(found) == 32 + 8
    assert all(len(mouse['keypoints']) == 5 for picture in found for mouse in picture)


def test_annotations_of_the_guide_are_sound(workspace):
    """The example alone, with the picture of another mouse."""
    folder = workspace / 'data/mice'
    example = folder / 'annotations/example.json'
    (text,) = blocks('json')
    example.write_text(text)
    data = load_annotations(str(example), str(folder / 'images'), str(folder / 'metainfo.py'))
    findings = check_annotations(data, min_keypoints=1)
    assert [finding.kind for finding in findings] == ['sigmas-default']
