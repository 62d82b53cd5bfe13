"""What passes for rounding between a model and its file, and what does not."""

import copy

import numpy as np
import onnx
import pytest
import torch
from mmengine.config import Config
from mmpose.apis import init_model

from directpose.analysis import make_picture
from directpose.datasets.transforms import ShortSideResize
from directpose.deployment import export_onnx, verify_onnx
from directpose.deployment.verify import TOLERANCE, compare_poses
from directpose.runtime import Poses
from tests.steps import without_downloads

TINY = 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py'
R50 = 'configs/directpose/directpose_r50-aa_fpn_8xb4-180k_coco.py'
PICTURE = make_picture(186, 124)


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    model = init_model(Config.fromfile(TINY), device='cpu')
    torch.nn.init.normal_(model.head.conv_cls.weight, std=0.1)
    for predictor in model.head.keypoint_branch.predictors:
        torch.nn.init.normal_(predictor.bias, std=2.0)
    return model


@pytest.fixture(scope='module')
def path(model, tmp_path_factory):
    path = tmp_path_factory.mktemp('verify') / 'model.onnx'
    export_onnx(model, path, ShortSideResize(124, 1000))
    assert not model.training
    return path


def test_the_right_file_differs_by_rounding(model, path):
    found = verify_onnx(model, path, PICTURE)
    assert found.size == (186, 124) and found.people > 10
    assert 0 < max(found.scores, found.positions, found.poses) < TOLERANCE / 10


@pytest.mark.parametrize(
    'name, change, what',
    [
        # the smallest that matter: a tenth of a stride, a percent of a probability
        ('keypoint_branch.locator.bias', 0.1, 'the positions in'),
        ('keypoint_branch.predictors.3.weight', 0.1, 'the positions in'),
        ('keypoint_branch.predictors.3.bias', 0.1, 'poses decoded from the same maps of'),
        ('conv_cls.bias', 0.01, 'the scores of'),
        ('conv_centerness.bias', 0.01, 'the scores of'),
    ],
)
def test_other_weights_are_found(model, path, name, change, what):
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.head.get_parameter(name).add_(change)
    with pytest.raises(ValueError, match=f'{what} a picture of 186 x 124 pixels differ by'):
        verify_onnx(other, path, PICTURE)


@pytest.mark.parametrize('level', range(5))
def test_another_sampling_of_a_level_is_found(model, path, level):
    other = copy.deepcopy(model)
    other.head.keypoint_branch.ratios[:, level] += 1
    with pytest.raises(ValueError, match='poses decoded from the same maps of .* differ by'):
        verify_onnx(other, path, PICTURE)


def test_other_keypoints_are_found_where_the_model_finds_nobody(model, tmp_path):
    quiet = copy.deepcopy(model)
    with torch.no_grad():
        quiet.head.conv_cls.bias.fill_(-50)
    export_onnx(quiet, tmp_path / 'quiet.onnx', ShortSideResize(124, 1000))
    assert verify_onnx(quiet, tmp_path / 'quiet.onnx', PICTURE).people == 0
    with torch.no_grad():
        quiet.head.keypoint_branch.predictors[3].bias += 0.1
    with pytest.raises(ValueError, match='poses decoded from the same maps of .* differ by'):
        verify_onnx(quiet, tmp_path / 'quiet.onnx', PICTURE)


@pytest.mark.parametrize('key, value', [('nms', dict(iou_threshold=0.2, offset=1)), ('nms_pre', 3)])
def test_another_decoding_is_found(model, path, key, value):
    other = copy.deepcopy(model)
    other.test_cfg[key] = value
    with pytest.raises(ValueError, match='poses decoded from the same maps .* differ by'):
        verify_onnx(other, path, PICTURE)


def test_another_preprocessing_is_found(model, path):
    other = copy.deepcopy(model)
    other.data_preprocessor.mean[0] += 5
    with pytest.raises(ValueError, match='differ by'):
        verify_onnx(other, path, PICTURE)


def test_another_resize_is_found(model, path, tmp_path):
    """The maps are equal then, but not what the runtime finds."""
    other = onnx.load(path)
    (settings,) = other.metadata_props
    settings.value = settings.value.replace('"short_side": 124', '"short_side": 128')
    onnx.save(other, tmp_path / 'other.onnx')
    with pytest.raises(ValueError, match='the poses found in .* differ by'):
        verify_onnx(model, tmp_path / 'other.onnx', PICTURE)


def poses(*people):
    """People (x, score), 100 pixels wide."""
    x = np.array([x for x, _ in people], dtype=np.float32)
    keypoints = np.stack([x, x + 100], axis=1)[:, :, None].repeat(2, axis=2)
    boxes = np.stack([x, x, x + 100, x + 100], axis=1)
    return Poses(keypoints, np.array([s for _, s in people], dtype=np.float32), boxes)


def test_what_passes_for_rounding():
    def difference(a, b):
        return compare_poses(a, b, side=800)[1]

    assert difference(poses(), poses()) == 0
    assert difference(poses((10, 0.5)), poses()) == np.inf
    assert difference(poses((10, 0.5)), poses((10.5, 0.5))) == pytest.approx(0.5 / 800)
    assert difference(poses((10, 0.5)), poses((10, 0.6))) == pytest.approx(0.1, rel=1e-5)
    assert np.isnan(difference(poses((10, 0.5)), poses((np.nan, 0.5))))
    # far outside of the picture, one step of fp32 is 1e-3 pixels
    assert difference(poses((-1e4, 0.5)), poses((-1e4 - 1e-3, 0.5))) < 1e-6
    # people whose scores are almost equal may stand in another order
    one, other = (10, 0.5), (300, 0.5 + 1e-6)
    assert difference(poses(one, other), poses(other, one)) < 1e-6
    # of ten people NMS may have kept another one, but not of one
    crowd = [(100 * i, 0.5) for i in range(10)]
    changed = [*crowd[:9], (450, 0.4)]
    assert difference(poses(*crowd), poses(*changed)) > 0.01
    assert compare_poses(poses(*crowd), poses(*changed), 800, missing=0.1) == (10, 0)
    assert compare_poses(poses(*crowd), poses(*crowd[:9]), 800, missing=0.1) == (10, 0)
    assert compare_poses(poses(*crowd), poses(*crowd[:8]), 800, missing=0.1)[1] == np.inf
    # where the model rates keypoints, the ratings are compared too
    scored, hidden = np.full((1, 17), 0.7, np.float32), np.full((1, 17), 0.2, np.float32)
    rated = poses((10, 0.5)).replace(keypoint_scores=scored, keypoints_hidden=hidden)
    swapped = rated.replace(keypoint_scores=hidden, keypoints_hidden=scored)
    assert difference(rated, rated) == 0
    assert difference(rated, swapped) == pytest.approx(0.5)
    assert difference(rated, poses((10, 0.5))) == np.inf
    # but each of them must be there
    assert difference(poses(one, other), poses(one, one)) == np.inf


@pytest.mark.slow
def test_a_model_of_full_size_passes(tmp_path):
    """R-50 at 800 pixels with the weights on which the original was recorded."""
    from tests import original
    from tests.load_tool import load_tool

    convert = load_tool('tools/model_converters/directpose_to_mmpose.py').convert
    cfg = Config.fromfile(R50)
    without_downloads(cfg.model)
    model = init_model(cfg, device='cpu')
    model.load_state_dict(convert(original.weights())[0])
    path = tmp_path / 'model.onnx'
    export_onnx(model, path, ShortSideResize(800, 1333))
    found = verify_onnx(model, path, make_picture(1200, 800))
    assert found.people == 100
    assert max(found.scores, found.positions, found.poses) < TOLERANCE / 2
