"""The default model against recorded numbers of the original implementation.

Every output, target, loss and gradient of a step on two images. docs/en/faithfulness.md tells
where the numbers are from and why the bounds are what they are.
"""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

import directpose  # noqa: F401, registers the model
from directpose.models.targets import heatmap_labels
from tests import original
from tests.conftest import ROOT
from tests.load_tool import load_tool
from tests.original import data_samples, images, recorded
from tests.steps import without_downloads

CONFIG = ROOT / 'configs/directpose/directpose_r50-aa_fpn_8xb4-180k_coco.py'
STRIDES = (8, 16, 32, 64, 128)
LEVELS = range(5)
BOUND = 2e-4
"""The largest error of a tensor over its largest magnitude."""
GRADIENT_BOUND = 3e-3
"""The same for the norm of a parameter's gradient; a ReLU near 0 may fall to either side."""


def assert_near(got, want, bound=BOUND):
    got, want = (np.asarray(a, dtype=np.float64) for a in (got, want))
    assert got.shape == want.shape
    assert np.abs(got - want).max(initial=0) <= bound * np.abs(want).max(initial=1e-12)


@pytest.fixture(scope='module')
def converter():
    return load_tool('tools/model_converters/directpose_to_mmpose.py')


@pytest.fixture(scope='module')
def model(converter):
    """The default model with the recorded weights."""
    converted, unused = converter.convert(original.weights())
    assert not unused
    init_default_scope('mmpose')
    model = revert_sync_batchnorm(MODELS.build(without_downloads(Config.fromfile(CONFIG).model)))
    model.load_state_dict(converted, strict=True)
    return model.eval()


@pytest.fixture(scope='module')
def maps(model):
    """What the model gives at test: features, raw maps, heatmaps and poses."""
    with torch.no_grad():
        stages = model.backbone(images())  # C3, C4, C5
        feats = model.neck(stages)
        return dict(
            stages=stages,
            feats=feats,
            raw=model.head(feats),
            heatmaps=model.head.heatmap_head(feats),
            poses=model.head.predict(feats, data_samples(), test_cfg=model.test_cfg),
        )


@pytest.fixture(scope='module')
def losses(model, maps):
    """The losses of a training step; the gradients stay in the model's parameters.

    ``maps`` is asked for because a step changes the statistics of batch norm.
    """
    losses = model.train().loss(images(), data_samples())
    sum(losses.values()).backward()
    return losses


def test_features(maps):
    for i, stage in enumerate(maps['stages']):
        assert_near(mean_and_std(stage), recorded()[f'backbone_stage{i + 2}_mean_abs'])
    for level, feat in enumerate(maps['feats']):
        assert_near(mean_and_std(feat), recorded()[f'fpn_{level}_mean_abs'])


def mean_and_std(feat):
    """Mean absolute value and standard deviation, all that was recorded of the features."""
    return [feat.double().abs().mean(), feat.double().std()]


@pytest.mark.parametrize('level', LEVELS)
def test_raw_maps(maps, level):
    cls_scores, keypoint_preds, centernesses = maps['raw']
    assert_near(cls_scores[level], recorded()[f'cls_logits_{level}'])
    assert_near(centernesses[level], recorded()[f'centerness_logits_{level}'])
    assert_near(keypoint_preds[level] * STRIDES[level], recorded()[f'keypoint_offsets_px_{level}'])


def test_heatmap_logits(maps):
    assert_near(maps['heatmaps'], recorded()['heatmap_logits'])


@pytest.mark.parametrize('image', [0, 1])
def test_poses(maps, image):
    poses = maps['poses'][image]
    scores, keypoints, boxes = (
        recorded()[f'det_{kind}_{image}'] for kind in ('scores', 'keypoints', 'boxes')
    )
    assert len(scores) == len(poses.bbox_scores) == 100
    assert (np.diff(poses.bbox_scores) <= 0).all()
    # scores that are equal but for rounding may come in either order
    distances = np.abs(poses.keypoints[None] - keypoints[:, None]).max(axis=(2, 3))
    match = distances.argmin(axis=1)
    assert sorted(match) == list(range(100))
    assert np.abs(match - np.arange(100)).max() <= 1
    assert_near(poses.bbox_scores[match], scores)
    assert_near(poses.keypoints[match], keypoints)
    assert_near(poses.bboxes[match], boxes)


def test_targets(model, maps):
    cls_scores, keypoint_preds, _ = maps['raw']
    instances = [sample.gt_instance_labels for sample in data_samples()]
    targets = model.head.get_targets(cls_scores, keypoint_preds, instances)
    positive = np.concatenate([recorded()[f'target_labels_{level}'] for level in LEVELS], axis=1)
    image, location = positive.nonzero()
    np.testing.assert_array_equal(targets.image, image)
    np.testing.assert_array_equal(targets.location, location)

    # recorded level by level, and of each level image by image
    sizes = [recorded()[f'target_labels_{level}'].shape[1] for level in LEVELS]
    level = np.repeat(LEVELS, sizes)[location]
    order = np.argsort(level, kind='stable')
    keypoints, centerness = (
        np.concatenate([recorded()[f'target_{kind}_pos_{level}'] for level in LEVELS])
        for kind in ('keypoints', 'centerness')
    )
    assert_near(targets.centerness[order], centerness)
    labelled = keypoints[..., 2] > 0
    np.testing.assert_array_equal(targets.visible[order] > 0, labelled)
    assert_near(targets.keypoints[order][labelled], keypoints[labelled][:, :2])


def test_heatmap_targets():
    want = recorded()['heatmap_target_type'].astype(int)  # 1 .. K, and 0 for the background
    instances = [sample.gt_instance_labels for sample in data_samples()]
    labels = heatmap_labels(instances, 17, want.shape[1:], STRIDES[0])
    np.testing.assert_array_equal((labels + 1) % 18, want)


@pytest.mark.parametrize(
    'ours, theirs',
    [
        ('loss_cls', 'train_loss_cls'),
        ('loss_centerness', 'train_loss_centerness'),
        ('loss_keypoint', 'train_loss_kps'),
        ('loss_heatmap', 'train_heatmaps_loss'),
    ],
)
def test_losses(losses, ours, theirs):
    assert len(losses) == 4
    assert_near(losses[ours].detach(), recorded()[theirs])


def test_the_gradient_of_every_parameter(model, converter, losses):
    names, norms = recorded()['grad_norm_names'].tolist(), recorded()['grad_norms'].tolist()
    ours = converter.convert({name: torch.zeros(0) for name in original.NAMES})[0]
    ours = dict(zip(original.NAMES, ours))
    want = {ours[name]: norm for name, norm in zip(names, norms)}
    got = {name: p.grad.double().norm().item() for name, p in model.named_parameters()}
    assert got == pytest.approx(want, rel=GRADIENT_BOUND)
