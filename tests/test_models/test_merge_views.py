"""Test-time augmentation against poses that are found, turned back and merged by hand."""

import re

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmpose.registry import DATASETS, MODELS, TRANSFORMS
from mmpose.structures import PoseDataSample
from PIL import Image

from directpose.datasets import ShortSideResize
from directpose.models.merge_views import upright_poses
from tests.coco_files import person, write_coco

CONFIG = 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py'
# (width, height): the ratios of width and height differ, the views' widths are odd and even
ORIGINAL = (151, 100)
SIZES = {1: (144, 96), 0.5: (72, 48), 1.5: (217, 144)}
FIELDS = ('bboxes', 'bbox_scores', 'keypoints', 'keypoint_scores', 'keypoints_visible')


@pytest.fixture(scope='module')
def cfg():
    init_default_scope('mmpose')
    cfg = Config.fromfile(CONFIG)
    cfg.test_dataloader.dataset.pipeline[1].update(short_side=96, max_long_side=1000)
    cfg.model.test_cfg.max_per_img = 1000  # NMS alone limits the poses
    return cfg


@pytest.fixture(scope='module')
def model(cfg):
    """Random weights, large enough that many people of many shapes are found."""
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    for name, parameter in model.head.named_parameters():
        if 'tower' not in name and parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    torch.nn.init.zeros_(model.head.conv_cls.bias)
    return model.requires_grad_(False)


@pytest.fixture(scope='module')
def ann_file(tmp_path_factory):
    people = [person({0: (5, 5), 1: (40, 30)}, i, i) for i in (1, 2)]
    return write_coco(tmp_path_factory.mktemp('tta'), people, num_images=2, size=ORIGINAL)


def batch(cfg, ann_file, **views):
    """Two images at once, in the views that are given or, without any, as in a plain test."""
    pipeline = cfg.test_dataloader.dataset.pipeline
    if views:
        pipeline = [dict(cfg.tta_views, transforms=pipeline, **views)]
    dataset = DATASETS.build(
        dict(
            type='BottomupCocoDataset',
            ann_file=str(ann_file),
            test_mode=True,
            pipeline=pipeline,
            data_prefix=dict(img=str(ann_file.parents[1] / 'train2017')),
        )
    )
    return pseudo_collate([dataset[0], dataset[1]])


def poses_by_hand(model, image_file, scale, flip):
    """Poses (score, keypoints, box) of one view, upright and in original pixels."""
    cfg = model.data_preprocessor
    width, height = SIZES[scale]
    pixels = Image.fromarray(cv2.imread(str(image_file)))
    pixels = np.array(pixels.resize((width, height), Image.Resampling.BILINEAR))
    if flip:
        pixels = pixels[:, ::-1]
    padded = torch.zeros(1, 3, -(-height // 32) * 32, -(-width // 32) * 32)
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float()  # (3, H, W)
    padded[0, :, :height, :width] = (image - cfg.mean.cpu()) / cfg.std.cpu()
    found = model.head.predict(
        model.extract_feat(padded),
        [PoseDataSample(metainfo=dict(img_shape=(height, width)))],
        model.test_cfg,
    )[0]

    names = list(model.head.metainfo['keypoint_name2id'])
    original_width, original_height = ORIGINAL
    poses = []
    for score, keypoints, box in zip(found.bbox_scores, found.keypoints, found.bboxes):
        x1, y1, x2, y2 = box
        if flip:
            mirrored = np.empty_like(keypoints)
            for k, name in enumerate(names):
                if 'left' in name:
                    name = name.replace('left', 'right')
                elif 'right' in name:
                    name = name.replace('right', 'left')
                mirrored[names.index(name)] = (width - 1 - keypoints[k][0], keypoints[k][1])
            keypoints, x1, x2 = mirrored, width - 1 - x2, width - 1 - x1
        ratio = np.array([original_width / width, original_height / height])
        poses.append((score, keypoints * ratio, np.array([x1, y1, x2, y2]) * np.tile(ratio, 2)))
    return poses


def merged_by_hand(poses, iou_threshold, max_per_img):
    """Greedy NMS of poses in the input pixels of the view at scale 1, widths one pixel larger."""
    ratio = np.tile(np.array(SIZES[1]) / ORIGINAL, 2)
    kept = []
    for pose in sorted(poses, key=lambda pose: -pose[0]):
        a = pose[2] * ratio
        for other in kept:
            b = other[2] * ratio
            w = min(a[2], b[2]) - max(a[0], b[0]) + 1
            h = min(a[3], b[3]) - max(a[1], b[1]) + 1
            shared = max(w, 0) * max(h, 0)
            area_a = (a[2] - a[0] + 1) * (a[3] - a[1] + 1)
            area_b = (b[2] - b[0] + 1) * (b[3] - b[1] + 1)
            if shared / (area_a + area_b - shared) > iou_threshold:
                break
        else:
            kept.append(pose)
    return kept[:max_per_img]


@pytest.mark.parametrize('scales, flip', [((1,), True), ((1, 0.5, 1.5), True), ((1, 1.5), False)])
def test_equals_poses_merged_by_hand(cfg, model, ann_file, scales, flip):
    tta = MODELS.build(dict(cfg.tta_model, module=model))
    samples = tta.test_step(batch(cfg, ann_file, scales=scales, flip=flip))
    assert [sample.img_id for sample in samples] == [1, 2]
    for sample in samples:
        views = [
            poses_by_hand(model, sample.img_path, scale, mirrored)
            for scale in scales
            for mirrored in (False, True)[: 1 + flip]
        ]
        assert all(len(poses) > 5 for poses in views)
        expected = merged_by_hand(
            [pose for poses in views for pose in poses],
            model.test_cfg.nms.iou_threshold,
            model.test_cfg.max_per_img,
        )
        assert len(views[0]) < len(expected) < sum(map(len, views))  # NMS and more than one view
        found = sample.pred_instances
        scores, keypoints, boxes = map(np.array, zip(*expected))
        np.testing.assert_allclose(found.bbox_scores, scores, atol=1e-5)
        np.testing.assert_allclose(found.keypoints, keypoints, atol=2e-3)
        np.testing.assert_allclose(found.bboxes, boxes, atol=2e-3)
        assert (found.keypoint_scores == found.bbox_scores[:, None]).all()


def test_one_upright_view_is_the_plain_model(cfg, model, ann_file):
    tta = MODELS.build(dict(cfg.tta_model, module=model))
    merged = tta.test_step(batch(cfg, ann_file, scales=(1,), flip=False))
    plain = model.test_step(batch(cfg, ann_file))
    for one, other in zip(merged, plain):
        assert len(one.pred_instances) > 5
        assert sorted(one.pred_instances.keys()) == sorted(FIELDS)
        for field in FIELDS:
            np.testing.assert_array_equal(one.pred_instances[field], other.pred_instances[field])


def test_as_many_poses_as_the_estimator_may_give(cfg, model, ann_file):
    tta = MODELS.build(dict(cfg.tta_model, module=model))
    limit, model.test_cfg['max_per_img'] = model.test_cfg['max_per_img'], 3
    try:
        for sample in tta.test_step(batch(cfg, ann_file, scales=(1, 0.5), flip=True)):
            assert len(sample.pred_instances) == 3
    finally:
        model.test_cfg['max_per_img'] = limit


def test_images_without_poses(cfg, model, ann_file):
    tta = MODELS.build(dict(cfg.tta_model, module=model))
    threshold, model.test_cfg['score_thr'] = model.test_cfg['score_thr'], 1.0
    try:
        for sample in tta.test_step(batch(cfg, ann_file, scales=(1, 0.5), flip=True)):
            assert sample.pred_instances.keypoints.shape == (0, 17, 2)
    finally:
        model.test_cfg['score_thr'] = threshold


def test_ground_truth_stays_in_original_pixels(cfg, ann_file):
    plain = batch(cfg, ann_file)['data_samples'][0]
    for views in batch(cfg, ann_file, scales=(1, 0.5), flip=True)['data_samples']:
        np.testing.assert_array_equal(views[0].gt_instances.keypoints, plain.gt_instances.keypoints)


@pytest.mark.parametrize('flip', [True, False])
def test_both_lengths_of_the_resize_are_scaled(cfg, flip):
    pipeline = cfg.test_dataloader.dataset.pipeline
    views = TRANSFORMS.build(dict(cfg.tta_views, transforms=pipeline, scales=(1, 0.5), flip=flip))
    lengths = [
        (step.short_side, step.max_long_side)
        for view in views.subroutines
        for step in view.transforms
        if isinstance(step, ShortSideResize)
    ]
    of_a_size = 1 + flip  # upright and mirrored
    assert lengths == [(96, 1000)] * of_a_size + [(48, 500)] * of_a_size


def test_mirrored_views_are_left_out_once(cfg):
    """The second call must not take the views of every second size."""
    views = TRANSFORMS.build(
        dict(cfg.tta_views, transforms=cfg.test_dataloader.dataset.pipeline, scales=(1, 0.5))
    )
    assert len(views.subroutines) == 4
    for _ in range(2):
        views.turn_flip_off()
        assert len(views.subroutines) == 2


def test_other_mirrors_are_refused():
    view = PoseDataSample(metainfo=dict(img_path='a.jpg', flip=True, flip_direction='vertical'))
    view.pred_instances = InstanceData()
    with pytest.raises(ValueError, match="'a.jpg' was mirrored in direction 'vertical'"):
        upright_poses(view)


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(scales=(1, 0)), 'scales of PoseTestTimeAug must be above 0'),
        (dict(scales=()), 'scales of PoseTestTimeAug must be above 0'),
        (dict(transforms=[dict(type='LoadImage'), dict(type='PackPoseInputs')]), 'ShortSideResize'),
        (dict(meta_keys=('img_shape',)), "lack ['flip', 'flip_direction', 'flip_indices']"),
    ],
)
def test_views_that_cannot_be_are_refused(cfg, change, message):
    *steps, pack = cfg.test_dataloader.dataset.pipeline
    pack = dict(pack, **({'meta_keys': change.pop('meta_keys')} if 'meta_keys' in change else {}))
    with pytest.raises(ValueError, match=re.escape(message)):
        TRANSFORMS.build(dict(cfg.tta_views, transforms=[*steps, pack]) | change)
