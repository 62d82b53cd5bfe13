"""The converter of released checkpoints, on files with the original's names."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/model_converters/directpose_to_mmpose.py'
CONFIG = ROOT / 'configs/directpose/directpose_r50-aa_fpn_8xb4-180k_coco.py'


def run(*args):
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, args)], capture_output=True, text=True
    )


@pytest.fixture(scope='module')
def model():
    init_default_scope('mmpose')
    return MODELS.build(Config.fromfile(CONFIG).model)


def original_name(name):
    """The released name of a parameter here, written down independently of the converter."""
    part, _, rest = name.partition('.')
    if part == 'backbone':
        return f'backbone.body.{rest}'
    if part == 'neck':
        kind, index, _, leaf = rest.split('.')
        if kind == 'lateral_convs':
            return f'backbone.fpn.fpn_inner{int(index) + 2}.{leaf}'
        return (
            'backbone.fpn.'
            + ['fpn_layer2', 'fpn_layer3', 'fpn_layer4', 'top_blocks.p6', 'top_blocks.p7'][
                int(index)
            ]
            + f'.{leaf}'
        )
    names = {
        'conv_cls': 'rpn.head.cls_logits',
        'conv_centerness': 'rpn.head.centerness',
        'heatmap_head.conv_heatmap': 'heatmaps.deeplab.heatmaps',
        'keypoint_branch.locator': 'rpn.head.kps_bases',
        'keypoint_branch.feature_conv.conv': 'rpn.head.sample_features_conv.0',
        'keypoint_branch.feature_conv.gn': 'rpn.head.sample_features_conv.1',
    }
    for i in range(4):
        for ours, theirs in (('cls_tower', 'cls_tower'), ('keypoint_tower', 'kps_tower')):
            names[f'{ours}.{i}.conv'] = f'rpn.head.{theirs}.{3 * i}'
            names[f'{ours}.{i}.gn'] = f'rpn.head.{theirs}.{3 * i + 1}'
    for i in range(2):
        names[f'heatmap_head.convs.{i}.conv'] = f'heatmaps.deeplab.seg_head.{3 * i}'
        names[f'heatmap_head.convs.{i}.bn'] = f'heatmaps.deeplab.seg_head.{3 * i + 1}'
    for g in range(9):
        names[f'keypoint_branch.predictors.{g}'] = f'rpn.head.kps_offsets.{g}.kps_offsets'
    module, _, leaf = rest.rpartition('.')
    return f'{names[module]}.{leaf}'


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_every_tensor_arrives_and_the_rest_is_named(model, tmp_path, prefix):
    state = {k: torch.full_like(v, i % 97) for i, (k, v) in enumerate(model.state_dict().items())}
    original = {prefix + original_name(k): v for k, v in state.items()}
    original[prefix + 'rpn.anchor_generator.cell'] = torch.zeros(3)
    torch.save(dict(model=original, optimizer=dict(lr=0.1), iteration=7), tmp_path / 'src.pth')
    done = run(tmp_path / 'src.pth', tmp_path / 'dst.pth')
    assert done.returncode == 0, done.stderr
    for key in ('optimizer', 'iteration', prefix + 'rpn.anchor_generator.cell'):
        assert f'not used: {key}\n' in done.stdout
    assert done.stdout.count('not used') == 3
    written = torch.load(tmp_path / 'dst.pth', weights_only=True)
    assert list(written) == ['state_dict'] and len(written['state_dict']) == len(state)
    model.load_state_dict(written['state_dict'], strict=True)
    for key, value in state.items():
        assert torch.equal(model.state_dict()[key], value), key


def refused(path, tmp_path, *words):
    done = run(path, tmp_path / 'dst.pth')
    assert done.returncode != 0 and not (tmp_path / 'dst.pth').exists()
    assert 'Traceback' not in done.stderr and str(path) in done.stderr
    for word in words:
        assert word in done.stderr


def test_what_is_no_directpose_checkpoint_is_refused(model, tmp_path):
    original = {original_name(k): v for k, v in model.state_dict().items()}
    fcos = {k: v for k, v in original.items() if 'kps' not in k}
    torch.save(dict(model=fcos), tmp_path / 'fcos.pth')
    refused(tmp_path / 'fcos.pth', tmp_path, 'kps_bases', 'kps_tower')
    torch.save(dict(state_dict=original), tmp_path / 'other.pth')
    refused(tmp_path / 'other.pth', tmp_path, 'model')
    torch.save([1, 2], tmp_path / 'list.pth')
    refused(tmp_path / 'list.pth', tmp_path, 'not a DirectPose checkpoint')
    refused(tmp_path / 'missing.pth', tmp_path, 'does not exist')
    (tmp_path / 'torn.pth').write_bytes(b'PK\x03\x04 torn')
    refused(tmp_path / 'torn.pth', tmp_path, 'loaded safely')


class Malicious:
    def __reduce__(self):
        return print, ('this ran',)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    with open(tmp_path / 'evil.pth', 'wb') as file:
        pickle.dump(Malicious(), file)
    refused(tmp_path / 'evil.pth', tmp_path, 'loaded safely')
    assert 'this ran' not in run(tmp_path / 'evil.pth', tmp_path / 'dst.pth').stdout
