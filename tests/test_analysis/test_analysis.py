"""What is timed is what is said to be timed."""

import json
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from mmcv.cnn import ConvModule
from mmcv.transforms import Compose
from mmengine.registry import DefaultScope
from torch import nn

from directpose.analysis import (
    Subject,
    Timing,
    crowded_maps,
    loading_stages,
    record_convolutions,
    time_in_turn,
    write_picture,
)
from directpose.cli.config import read_config
from tests.conftest import ROOT
from tests.load_tool import load_tool

CONFIG = 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py'


def test_every_call_once_in_each_round_and_warm_up_not_counted():
    order = []
    timings = time_in_turn(
        {name: lambda name=name: order.append(name) for name in 'ab'}, rounds=3, warmup=2
    )
    assert order == list('ab') * 5
    assert {name: timing.seconds.shape for name, timing in timings.items()} == {
        'a': (3,),
        'b': (3,),
    }


def test_ratio_is_of_the_same_rounds():
    slow_minute = np.array([1.0, 1.0, 10.0, 10.0])
    assert Timing(2 * slow_minute).ratio(Timing(slow_minute)) == 2


def test_no_rounds_are_refused():
    with pytest.raises(ValueError, match='rounds must be at least 1'):
        time_in_turn({}, rounds=0)


@pytest.mark.parametrize('mode', [torch.no_grad, torch.inference_mode])
def test_records_every_convolution_and_nothing_else(mode):
    net = nn.Sequential(
        ConvModule(3, 8, 3, norm_cfg=dict(type='BN')),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.ConvTranspose2d(8, 4, 2, stride=2),
    ).eval()
    image = torch.randn(1, 3, 16, 16)
    convolve = record_convolutions(mode()(lambda: net(image)))
    with torch.profiler.profile() as profile:
        convolve()
    counts = {event.key: event.count for event in profile.key_averages()}
    assert counts['aten::convolution'] == 3
    assert not any('norm' in name or 'pool' in name for name in counts)


def test_records_the_convolutions_of_a_backward_pass():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8))
    image = torch.randn(1, 3, 16, 16)
    convolve = record_convolutions(lambda: net(image).sum().backward(), with_gradients=True)
    with torch.profiler.profile() as profile:
        convolve()
    counts = {event.key: event.count for event in profile.key_averages()}
    assert counts['aten::convolution'] == counts['aten::convolution_backward'] == 2
    assert not any('relu' in name or 'threshold' in name for name in counts)


def test_no_convolution_is_refused():
    with pytest.raises(ValueError, match='no convolution ran'):
        record_convolutions(lambda: torch.ones(2) + 1)


@pytest.fixture(scope='module')
def subject():
    return Subject(read_config(CONFIG), 'fp32')


@pytest.mark.parametrize('num_people', [0, 1, 24])
def test_decodes_as_many_people_as_asked_for(subject, num_people):
    poses = subject.decoding(torch.zeros(2, 3, 256, 416), num_people)()
    assert [len(p.keypoints) for p in poses] == [num_people] * 2


def test_decodes_as_many_people_with_predicted_boxes():
    cfg = read_config(CONFIG)
    cfg.model.head.type = 'DirectPoseBoxHead'
    poses = Subject(cfg, 'fp32').decoding(torch.zeros(2, 3, 256, 416), 24)()
    assert [len(p.keypoints) for p in poses] == [24] * 2


def test_people_without_room_are_refused(subject):
    maps = subject.forward(torch.zeros(1, 3, 64, 64))()
    with pytest.raises(ValueError, match='2 people do not fit into 8 x 8 cells; at most 1'):
        crowded_maps(maps, 2, subject.model.head.output_names)


def test_stages_are_the_forward(subject):
    image = torch.randn(1, 3, 64, 64)
    stages = subject.stages(image)
    assert list(stages) == ['backbone', 'neck', 'head']
    for staged, whole in zip(stages['head'](), subject.forward(image)(), strict=True):
        for one, other in zip(staged, whole, strict=True):
            torch.testing.assert_close(one, other)


def test_loads_and_preprocesses_as_the_test_does(subject, tmp_path):
    cfg = read_config(CONFIG)
    path = str(tmp_path / 'drawn.jpg')
    write_picture(path, (416, 640))
    assert cv2.imread(path).shape == (416, 640, 3)
    pipeline = cfg.test_dataloader.dataset.pipeline
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        transforms = Compose(pipeline).transforms
    stages = loading_stages(transforms, subject.model, path, batch_size=2)
    loaded = stages['load']()
    assert [one['img'].shape for one in loaded] == [(416, 640, 3)] * 2
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        packed = Compose(pipeline)(dict(img_path=path))
    expected = subject.model.data_preprocessor(
        dict(inputs=[packed['inputs']] * 2, data_samples=[packed['data_samples']] * 2)
    )
    for _ in range(2):  # the same again: nothing is changed on the way
        batch = stages['preprocess']()
        torch.testing.assert_close(batch['inputs'], expected['inputs'], rtol=0, atol=0)


def test_training_step_leaves_gradients():
    subject = Subject(read_config(CONFIG))
    step = subject.training_step(torch.randn(2, 3, 96, 128))
    step()
    first = {name: p.grad.clone() for name, p in subject.model.named_parameters()}
    assert all(grad.isfinite().all() for grad in first.values())
    assert any(grad.any() for grad in first.values())
    step()  # gradients are anew, not added
    for name, p in subject.model.named_parameters():
        torch.testing.assert_close(p.grad, first[name])


def test_training_step_that_updates_keeps_the_weights():
    subject = Subject(read_config(CONFIG))
    before = [p.detach().clone() for p in subject.model.parameters()]
    subject.training_step(torch.randn(1, 3, 96, 128), update=True)()
    gradients = [p.grad for p in subject.model.parameters()]
    assert torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients])) <= 5.001
    assert all(map(torch.equal, before, subject.model.parameters()))


@pytest.mark.slow
def test_memory_grows_with_the_image_and_by_training():
    peaks = []
    for options in (['64', '64'], ['512', '512'], ['512', '512', '--train']):
        output = subprocess.run(
            [
                sys.executable,
                'tools/analysis_tools/get_memory.py',
                CONFIG,
                '--input-size',
                *options,
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        peaks.append(int(re.search(r'peak memory: (\d+) MiB', output)[1]))
    assert peaks[1] > peaks[0] + 15 and peaks[2] > 2 * peaks[1]


def test_unknown_variant_is_refused():
    with pytest.raises(ValueError, match='variant fp8'):
        Subject(read_config(CONFIG), 'fp8')


def test_a_part_that_cannot_be_built_is_named(tmp_path):
    config = tmp_path / 'own.py'
    config.write_text(
        f"_base_ = '{ROOT / CONFIG}'\nmodel = dict(head=dict(finest_groups=[['nose']]))\n"
    )
    with pytest.raises(SystemExit, match='own.py > BottomupPoseEstimator > DirectPoseHead: '):
        load_tool('tools/analysis_tools/get_flops.py').main([str(config)])


def test_a_config_without_a_scope_is_of_mmpose(tmp_path, capsys):
    cfg = read_config(CONFIG)
    cfg._cfg_dict.pop('default_scope')
    cfg.dump(tmp_path / 'own.py')
    load_tool('tools/analysis_tools/get_flops.py').main(
        [str(tmp_path / 'own.py'), '--input-size', '64', '64']
    )
    assert 'multiply-adds' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('tool', 'options'), [('get_memory', ['--train']), ('benchmark', ['--rounds', '1'])]
)
def test_what_needs_our_head_says_so(tool, options):
    other = 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'
    with pytest.raises(SystemExit, match='RTMDet: this model has no DirectPoseHead'):
        load_tool(f'tools/analysis_tools/{tool}.py').main(
            [other, '--input-size', '64', '64', *options]
        )


def test_a_picture_is_read_before_the_work(tmp_path):
    broken = tmp_path / 'broken.jpg'
    broken.write_text('no picture')
    with pytest.raises(SystemExit, match=r'broken\.jpg: the file is not a picture'):
        load_tool('tools/analysis_tools/benchmark.py').main([CONFIG, '--picture', str(broken)])


@pytest.mark.parametrize('name', ['mmdet::nope/x.py', 'nopackage::x.py'])
def test_a_config_that_no_package_has_is_named(name):
    with pytest.raises(SystemExit, match=f'error: {name}: no installed package has this config'):
        load_tool('tools/analysis_tools/get_flops.py').main([name])


def test_a_misspelt_setting_is_named():
    with pytest.raises(SystemExit, match='model.heads'):
        load_tool('tools/analysis_tools/get_memory.py').main(
            [CONFIG, '--cfg-options', 'model.heads.with_cp=True']
        )


@pytest.mark.parametrize('tool', ['benchmark', 'get_memory'])
def test_a_device_that_is_not_there_is_named(tool):
    with pytest.raises(SystemExit, match='--device cuda:99: this machine has'):
        load_tool(f'tools/analysis_tools/{tool}.py').main([CONFIG, '--device', 'cuda:99'])


def test_times_that_vary_are_said_to_vary(capsys):
    tool = load_tool('tools/analysis_tools/benchmark.py')
    steady = dict(stage='neck', seconds=1.0, spread=0.1, ratio=1.0)
    for rows, told in (([steady], False), ([steady, dict(steady, spread=0.3)], True)):
        tool.print_table(tool.Console(), 'Stages', rows, 'forward')
        assert ('vary by more than 20%' in capsys.readouterr().out) == told


def test_command_lines(tmp_path, capsys):
    out = tmp_path / 'figures.json'
    load_tool('tools/analysis_tools/benchmark.py').main(
        [
            CONFIG,
            '--input-size',
            '64',
            '64',
            '--people',
            '1',
            '--rounds',
            '2',
            '--out',
            str(out),
            '--train',
            '--against',
            'mmdet::fcos/fcos_r18_fpn_gn-head-center-normbbox-centeronreg-giou_8xb8-amp-'
            'lsj-200e_coco.py',
        ]
    )
    figures = json.loads(out.read_text())
    assert [row['variant'] for row in figures['forward']] == ['plain'] * 3 + ['fp32'] * 3
    assert all(len(row['rounds']) == 2 for row in figures['forward'] + figures['stages'])
    # Long names are folded, not cut off.
    assert '…' not in capsys.readouterr().out
    assert [row['stage'] for row in figures['stages']] == [
        'forward',
        'load',
        'preprocess',
        'backbone',
        'neck',
        'head',
        'decode 1 people',
    ]
    assert [row['model'] for row in figures['training']] == [
        "CONFIG's convolutions",
        'training step',
    ]
    assert all(
        row['seconds'] > 0 and row['ratio'] > 0
        for part in ('forward', 'stages', 'training')
        for row in figures[part]
    )
    load_tool('tools/analysis_tools/get_flops.py').main([CONFIG, '--input-size', '64', '64'])
    assert 'parameters: ' in capsys.readouterr().out
    load_tool('tools/analysis_tools/plot_cost.py').main(
        [
            CONFIG,
            str(tmp_path / 'cost.png'),
            '--sizes',
            '64',
            '128',
            '--people',
            '0',
            '1',
            '--rounds',
            '1',
        ]
    )
    height, width, _ = cv2.imread(str(tmp_path / 'cost.png')).shape
    assert width > height > 100


def test_a_person_costs_the_pipeline_a_pose_and_directpose_nothing_but_decoding(
    tmp_path, capsys, monkeypatch
):
    tool = load_tool('tools/analysis_tools/plot_people_cost.py')

    def time_in_turn(calls, rounds, device):
        seconds = dict(forward=0.1, decoding=0.001, detector=0.02, pose=0.01)
        batches = {key: len(call()[0]) for key, call in calls.items() if key[0] == 'pose'}
        return {
            key: Timing(np.full(rounds, seconds[key[0]] * batches.get(key, 1))) for key in calls
        }

    monkeypatch.setattr(tool, 'time_in_turn', time_in_turn)
    out = tmp_path / 'cost.png'
    tool.main([CONFIG, str(out), '--input-size', '128', '128', '--people', '3', '0', '1'])
    rows = [line.split('|')[1:-1] for line in capsys.readouterr().out.splitlines() if '|' in line]
    assert [[float(cell) for cell in row] for row in rows[2:]] == [
        [0, 101, 20, 0.2],
        [1, 101, 30, 0.3],
        [3, 101, 50, 0.5],
    ]
    assert cv2.imread(str(out)) is not None


def test_a_size_whose_short_side_would_be_0_is_refused(capsys):
    with pytest.raises(SystemExit, match='^2$'):
        load_tool('tools/analysis_tools/plot_cost.py').parse_args(
            ['a.py', 'a.png', '--sizes', '32']
        )
    assert '--sizes: give a whole number from 64' in capsys.readouterr().err
