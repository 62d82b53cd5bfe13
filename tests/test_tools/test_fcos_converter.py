"""The start from MMDetection's FCOS, compared with MMDetection's own outputs."""

import pytest
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import DefaultScope

from tests.conftest import ROOT
from tests.load_tool import load_tool
from tests.steps import build_model, without_downloads

CONFIG = ROOT / 'configs/directpose/directpose_r50-caffe_fpn_fcos-start_1xb8-90k_coco.py'
tool = load_tool('tools/model_converters/fcos_to_directpose.py')


@pytest.fixture(scope='module')
def fcos():
    from mmdet.registry import MODELS

    cfg = get_config('mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py')
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(without_downloads(cfg.model))
        torch.manual_seed(0)
        model.init_weights()
    for tensor in model.state_dict().values():  # nothing keeps a value that hides a mistake
        if tensor.is_floating_point():
            tensor.add_(0.01 * torch.rand_like(tensor))
    return model.eval()


@pytest.fixture(scope='module')
def model():
    return build_model(Config.fromfile(CONFIG)).eval()


@pytest.mark.parametrize('meta', [{}, dict(CLASSES=('cat', 'person')), 'dataset_meta'])
def test_outputs_are_those_of_fcos(fcos, model, tmp_path, meta, capsys):
    person = 0 if meta == {} else 1
    meta = dict(dataset_meta=dict(classes=['cat', 'person'])) if meta == 'dataset_meta' else meta
    torch.save(dict(state_dict=fcos.state_dict(), meta=meta), tmp_path / 'fcos.pth')
    tool.main([str(tmp_path / 'fcos.pth'), str(tmp_path / 'start.pth')])
    converted = torch.load(tmp_path / 'start.pth', weights_only=True)['state_dict']

    missing, unexpected = model.load_state_dict(converted, strict=False)
    assert not unexpected
    anew = ('head.keypoint_tower.', 'head.keypoint_branch.', 'head.heatmap_head.')
    assert missing and all(name.startswith(anew) for name in missing)

    image = 255 * torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1)) - 115
    with torch.no_grad():
        wanted_cls, _, wanted_centerness = fcos.bbox_head(fcos.extract_feat(image))
        cls_scores, _, centernesses = model.head(model.extract_feat(image))
    for wanted, found in zip(wanted_cls, cls_scores):
        torch.testing.assert_close(found, wanted[:, person : person + 1])
    torch.testing.assert_close(list(centernesses), list(wanted_centerness))


PARTS = (
    'backbone.conv1.weight', 'neck.fpn_convs.0.conv.weight', 'bbox_head.cls_convs.0.conv.weight',
    'bbox_head.conv_cls.weight', 'bbox_head.conv_centerness.weight',
)  # fmt: skip


def test_the_folder_of_the_result_is_made(tmp_path):
    """docs/en/reproduce.md writes into work_dirs, which a fresh clone lacks."""
    source, result = tmp_path / 'fcos.pth', tmp_path / 'work_dirs/start.pth'
    torch.save({name: torch.ones(2, 1, 1, 1) for name in PARTS}, source)
    tool.main([str(source), str(result)])
    assert len(torch.load(result, weights_only=True)['state_dict']) == len(PARTS) + 1  # a bias


def test_a_result_that_cannot_be_written_is_named(tmp_path):
    source = tmp_path / 'fcos.pth'
    torch.save({name: torch.ones(2, 1, 1, 1) for name in PARTS}, source)
    with pytest.raises(SystemExit, match='is a folder; give the name of a file in it'):
        tool.main([str(source), str(tmp_path)])
    with pytest.raises(SystemExit, match=r'fcos\.pth/start\.pth: cannot be written'):
        tool.main([str(source), str(source / 'start.pth')])


def test_config_sees_what_fcos_saw():
    cfg = get_config('mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py')
    ours = Config.fromfile(CONFIG).model
    theirs = cfg.model.data_preprocessor
    assert list(ours.data_preprocessor.mean) == list(theirs.mean)
    assert list(ours.data_preprocessor.std) == list(theirs.std)
    assert not ours.data_preprocessor.get('bgr_to_rgb') and not theirs.bgr_to_rgb
    assert ours.data_preprocessor.pad_size_divisor == theirs.pad_size_divisor
    for key in ('style', 'frozen_stages', 'norm_cfg', 'norm_eval'):
        assert ours.backbone[key] == cfg.model.backbone[key]


def test_other_files_are_refused(fcos, model, tmp_path):
    path = tmp_path / 'other.pth'

    def refused(checkpoint, message):
        torch.save(checkpoint, path)
        with pytest.raises(SystemExit, match=message):
            tool.main([str(path), str(tmp_path / 'start.pth')])
        assert not (tmp_path / 'start.pth').exists()

    state = fcos.state_dict()
    refused(dict(state_dict=model.state_dict()), 'it lacks weights like bbox_head')
    refused(dict(state_dict={**state, 'roi_head.x': torch.ones(1)}), 'weights that FCOS lacks: roi')
    refused(dict(state_dict=state, meta=dict(CLASSES=('cat',))), 'no "person": cat')
    with pytest.raises(SystemExit, match='no such checkpoint'):
        tool.main([str(tmp_path / 'nowhere.pth'), str(path)])
