"""The converter of released checkpoints, on files with the original's names."""

import os
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from tests.load_tool import load_tool
from tests.original import NAMES

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/directpose/directpose_r50-aa_fpn_8xb4-180k_coco.py'


tool = load_tool('tools/model_converters/directpose_to_mmpose.py')


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


@pytest.fixture(scope='module')
def original(model):
    """A released file's content: each tensor has a number of its own."""
    weights = model.state_dict().items()
    return {original_name(k): torch.full_like(v, i % 97) for i, (k, v) in enumerate(weights)}


def test_the_names_here_are_those_of_the_original(original):
    """Its checkpoint's 415 names and shapes were recorded."""
    assert {name: list(tensor.shape) for name, tensor in original.items()} == NAMES


def save(path, tensors, **others):
    torch.save(dict(model=tensors, **others), path)
    return path


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_every_tensor_arrives_and_the_rest_is_named(model, original, tmp_path, capsys, prefix):
    tensors = {prefix + name: tensor for name, tensor in original.items()}
    tensors[prefix + 'rpn.anchor_generator.cell'] = torch.zeros(3)
    src = save(tmp_path / 'src.pth', tensors, optimizer=dict(lr=0.1), iteration=7)
    tool.main([str(src), str(tmp_path / 'dst.pth')])
    printed = capsys.readouterr().out
    for key in ('optimizer', 'iteration', prefix + 'rpn.anchor_generator.cell'):
        assert f'not used: {key}\n' in printed
    assert printed.count('not used') == 3
    written = torch.load(tmp_path / 'dst.pth', weights_only=True)
    names = model.state_dict()
    assert list(written) == ['state_dict'] and written['state_dict'].keys() == names.keys()
    for name, tensor in written['state_dict'].items():
        assert torch.equal(tensor, original[original_name(name)]), name


def refused(src, dst, *words):
    with pytest.raises(SystemExit) as raised:
        tool.main([str(src), str(dst)])
    told = str(raised.value)
    assert told.startswith('error: ') and '\n' not in told and '\\' not in told
    assert not dst.is_file()
    for word in words:
        assert word in told


@pytest.mark.parametrize(
    'part, named',
    [
        ('backbone.body.layer4.', 'backbone.layer4.0.bn1.bias'),
        ('rpn.head.cls_tower.0.', 'head.cls_tower.0.conv.bias'),
        ('rpn.head.kps_offsets.5.', 'head.keypoint_branch.predictors.5'),
        ('rpn.head.kps', 'head.keypoint'),
        ('backbone.fpn.top_blocks.p7.bias', 'neck.fpn_convs.4.conv.bias'),
    ],
)
def test_a_file_that_lacks_a_part_is_refused(original, tmp_path, part, named):
    cut = {name: tensor for name, tensor in original.items() if not name.startswith(part)}
    assert len(cut) < len(original)
    src = save(tmp_path / 'cut.pth', cut)
    refused(src, tmp_path / 'dst.pth', 'cut.pth: lacks', 'weights', named)


def test_a_tensor_of_another_shape_is_refused(original, tmp_path):
    changed = dict(original)
    changed['rpn.head.kps_bases.weight'] = torch.zeros(2, 2)
    refused(save(tmp_path / 'src.pth', changed), tmp_path / 'dst.pth', 'locator.weight', '(2, 2)')


def test_the_heatmap_branch_may_be_missing(original, tmp_path, capsys):
    cut = {name: tensor for name, tensor in original.items() if 'deeplab' not in name}
    src = save(tmp_path / 'cut.pth', cut)
    tool.main([str(src), str(tmp_path / 'dst.pth')])
    assert 'for inference, not for training' in capsys.readouterr().out


def test_another_number_of_keypoints_has_its_config(tmp_path, model, original):
    """A file of the original code for other keypoints needs the config of these."""
    config = tmp_path / 'one_group.py'
    config.write_text(f"""
_base_ = {str(CONFIG)!r}
model = dict(head=dict(group_channels=32))
""")
    refused(save(tmp_path / 'a.pth', original), tmp_path / 'no' / 'dst.pth', 'no folder')
    with pytest.raises(SystemExit, match=r'a\.pth: .* weights have another shape'):
        tool.main([str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth'), '--config', str(config)])


def test_a_deeper_file_is_compared_with_the_deeper_model():
    assert 'r101' in tool.guess_config({'backbone.layer3.6.conv1.weight': None})
    assert 'r50' in tool.guess_config({'backbone.layer3.5.conv1.weight': None})


def test_a_result_that_cannot_be_written_leaves_nothing(original, tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(28, 'No space left on device')

    src = save(tmp_path / 'src.pth', original)
    monkeypatch.setattr(os, 'fsync', fail)
    refused(src, tmp_path / 'dst.pth', 'dst.pth: cannot be written (No space left')
    assert os.listdir(tmp_path) == ['src.pth']


def test_what_is_no_directpose_checkpoint_is_refused(original, tmp_path):
    dst = tmp_path / 'dst.pth'
    torch.save(dict(state_dict=original), tmp_path / 'other.pth')
    refused(tmp_path / 'other.pth', dst, 'other.pth: has no model')
    torch.save([1, 2], tmp_path / 'list.pth')
    refused(tmp_path / 'list.pth', dst, 'not a DirectPose checkpoint')
    refused(tmp_path / 'missing.pth', dst, 'no such checkpoint')
    (tmp_path / 'torn.pth').write_bytes(b'PK\x03\x04 torn')
    refused(tmp_path / 'torn.pth', dst, 'damaged')
    spoilt = dict(original)
    spoilt['rpn.head.centerness.bias'] = torch.tensor([float('nan')])
    refused(save(tmp_path / 'nan.pth', spoilt), dst, 'rpn.head.centerness.bias is not finite')
