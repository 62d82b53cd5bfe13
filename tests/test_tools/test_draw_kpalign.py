"""Pictures of where KPAlign looks."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from directpose.analysis.sampling_points import SampledPeople, find_sampled_people
from tests.conftest import ROOT
from tests.load_tool import load_tool
from tests.steps import build_model

CONFIG = ROOT / 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py'
tool = load_tool('tools/analysis_tools/draw_kpalign.py')


@pytest.fixture(scope='module')
def model():
    """A model whose locator and predictors say the same everywhere, whatever they see."""
    model = build_model(Config.fromfile(CONFIG)).eval()
    branch = model.head.keypoint_branch
    generator = torch.Generator().manual_seed(0)
    for conv in (branch.locator, *branch.predictors):
        torch.nn.init.zeros_(conv.weight)
        conv.bias.data = torch.empty_like(conv.bias).uniform_(-0.5, 0.5, generator=generator)
    torch.nn.init.zeros_(model.head.conv_cls.bias)
    return model


@pytest.fixture(scope='module')
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp('picture') / 'noise.png'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8))
    return str(path)


def test_points_are_what_the_layers_say(model, picture):
    data = tool.Compose(Config.fromfile(CONFIG).test_dataloader.dataset.pipeline)(
        dict(img_path=picture, img_id=0, id=0)
    )
    people = find_sampled_people(model, pseudo_collate([data]))
    assert len(people.scores) > 3
    branch = model.head.keypoint_branch
    vectors = branch.locator.bias.detach().view(-1, 2).numpy()  # (G, 2)
    stride = people.strides[:, None, None]
    np.testing.assert_allclose(
        people.sampled, people.locations[:, None] + vectors * stride, atol=1e-3
    )
    # With r the ratio of the strides, a keypoint is at b + o / r from the location.
    level = np.searchsorted(model.head.strides, people.strides)
    for g, (members, predictor) in enumerate(zip(branch.groups, branch.predictors)):
        source = np.zeros_like(level) if g == 0 else np.maximum(level - 1, 0)  # the head first
        ratio = people.strides / np.array(model.head.strides)[source]
        offsets = predictor.bias.detach().view(-1, 2).numpy() / ratio[:, None, None]
        wanted = people.sampled[:, g : g + 1] + offsets * stride
        np.testing.assert_allclose(people.keypoints[:, members], wanted, atol=1e-3)


def test_arrows_go_from_the_location_over_the_group_to_the_keypoint():
    people = SampledPeople(
        np.array([[20.0, 50.0]]),
        np.array([8]),
        np.array([[[60.0, 50.0]]]),
        np.array([[[60.0, 10.0], [90.0, 50.0]]]),
        np.array([0.9]),
    )
    grey = np.full((100, 100, 3), 128, np.uint8)
    drawn = tool.draw_people(grey, people, [(0, 1)]).astype(int)
    changed = np.abs(drawn - drawn[-1, -1]).max(axis=-1) > 40
    assert changed[50, 30:85].all() and changed[12:50, 60].all()  # the arrow, the lines
    assert not changed[:40, :50].any() and not changed[60:].any()
    assert (drawn[50, 20] > 240).all()  # the white dot


def test_command(model, picture, tmp_path, capsys):
    checkpoint = tmp_path / 'model.pth'
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    out = tmp_path / 'kpalign.png'
    command = [picture, str(CONFIG), str(checkpoint), str(out), '--people', '2']
    tool.main([*command, '--score-thr', '0.1'])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f'drawn into {out}'
    assert sum(line.startswith('person ') for line in lines) == 2
    assert cv2.imread(str(out)).shape == (96 * 5, 128 * 5, 3)
    with pytest.raises(SystemExit, match='nobody has a score of 0.99 or more'):
        tool.main([*command, '--score-thr', '0.99'])


def test_head_without_kpalign_is_refused(model):
    head = Config.fromfile(
        ROOT / 'configs/directpose/directpose_r50-aa_fpn_no-kpalign_8xb4-180k_coco.py'
    )
    model = build_model(head)
    with pytest.raises(ValueError, match='give a config with KPAlign'):
        find_sampled_people(model, {})
