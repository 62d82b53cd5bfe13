"""The head: what it refuses, what it promises, and batches without people."""

import math
import re

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from directpose.models.head_settings import check_regress_ranges, merge_settings

COCO_HEAD = Config.fromfile('configs/_base_/models/directpose_r50-aa_fpn.py').model.head
COCO = dict(from_file='configs/_base_/datasets/coco.py')
TEST_CFG = dict(
    score_thr=0.0,
    cls_thr=0.05,
    nms_pre=100,
    nms=dict(iou_threshold=0.4, offset=1),
    max_per_img=20,
)
# K = 5: nothing of the head may depend on COCO
ANIMAL = dict(
    dataset_name='animal',
    paper_info=dict(),
    keypoint_info={
        i: dict(name=name, id=i, color=[0, 0, 0], type='', swap=swap)
        for i, (name, swap) in enumerate(
            [
                ('nose', ''),
                ('left_paw', 'right_paw'),
                ('right_paw', 'left_paw'),
                ('back', ''),
                ('tail', ''),
            ]
        )
    },
    skeleton_info=dict(),
    joint_weights=[1.0] * 5,
    sigmas=[0.05] * 5,
)
ANIMAL_GROUPS = [['nose'], ['right_paw', 'left_paw'], ['tail', 'back']]


def make_head(**kwargs):
    torch.manual_seed(0)
    cfg = dict(
        type='DirectPoseHead',
        metainfo=COCO,
        groups=COCO_HEAD.groups,
        finest_groups=COCO_HEAD.finest_groups,
        in_channels=32,
        feat_channels=32,
        group_channels=8,
        stacked_convs=2,
    )
    head = MODELS.build({**cfg, **kwargs})
    head.init_weights()
    return head


def features(n=2, size=(16, 24), channels=32):
    torch.manual_seed(1)
    return [
        torch.randn(n, channels, -(-size[0] // 2**i), -(-size[1] // 2**i), requires_grad=True)
        for i in range(5)
    ]


def sample(boxes=(), num_keypoints=17, labelled=True, size=(128, 192)):
    torch.manual_seed(2)
    n = len(boxes)
    boxes = torch.tensor(boxes, dtype=torch.float).reshape(n, 4)
    places = torch.rand(n, num_keypoints, 2) * (boxes[:, None, 2:] - boxes[:, None, :2])
    out = PoseDataSample(metainfo=dict(img_shape=size))
    out.gt_instance_labels = InstanceData(
        bboxes=boxes,
        labels=torch.zeros(n, dtype=torch.long),
        keypoints=boxes[:, None, :2] + places,
        keypoints_visible=torch.full((n, num_keypoints), float(labelled)),
    )
    return out


NOBODY = sample()
TWO = sample([[10, 10, 60, 90], [70, 20, 180, 120]])
UNLABELLED = sample([[10, 10, 60, 90]], labelled=False)


@pytest.mark.parametrize(
    'batch',
    [[TWO, NOBODY], [NOBODY, NOBODY], [UNLABELLED, UNLABELLED], [UNLABELLED, TWO]],
    ids=['one empty', 'no person', 'no labelled keypoint', 'mixed'],
)
def test_losses_are_finite_and_every_parameter_has_a_gradient(batch):
    head = make_head()
    losses = head.loss(features(), batch)
    assert set(losses) == {'loss_cls', 'loss_centerness', 'loss_keypoint', 'loss_heatmap'}
    assert all(loss.isfinite() for loss in losses.values())
    if TWO not in batch:
        assert losses['loss_keypoint'] == 0
    sum(losses.values()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_gradient_checkpointing_gives_the_same_gradients_and_keeps_less():
    head = make_head()
    grads, kept = [], []
    for with_cp in (False, True):
        head.with_cp = with_cp
        head.zero_grad()
        feats, sizes = features(), []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, sizes=sizes: sizes.append(t.numel()) or t, lambda t: t
        ):
            losses = head.loss(feats, [TWO, NOBODY])
        kept.append(sum(sizes))
        sum(losses.values()).backward()
        grads.append([t.grad for t in feats] + [p.grad.clone() for p in head.parameters()])
    for plain, checkpointed in zip(*grads, strict=True):
        torch.testing.assert_close(checkpointed, plain)
    assert kept[1] < 0.8 * kept[0]


def test_the_ranges_are_the_papers():
    ranges = [(-1, 64), (64, 128), (128, 256), (256, 512), (512, math.inf)]
    assert list(make_head().regress_ranges) == ranges


def test_initial_scores_are_low_and_convolutions_narrow():
    head = make_head()
    probability = head.conv_cls.bias.sigmoid()
    torch.testing.assert_close(probability, torch.full_like(probability, 0.01))
    torch.testing.assert_close(
        head.heatmap_head.conv_heatmap.bias.sigmoid(), torch.full((17,), 0.01)
    )
    for name, module in head.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            assert 0.005 < module.weight.std() < 0.02, name
            if name not in ('conv_cls', 'heatmap_head.conv_heatmap') and module.bias is not None:
                assert not module.bias.any(), name


def test_predictions_are_numpy_and_best_first():
    head = make_head()
    with torch.no_grad():
        head.conv_cls.bias.fill_(0.0)
        head.conv_cls.weight.mul_(30)
        predictions = head.predict(features(), [TWO, NOBODY], TEST_CFG)
    for prediction in predictions:
        n = len(prediction.bbox_scores)
        assert 0 < n <= TEST_CFG['max_per_img']
        assert all(isinstance(v, np.ndarray) for v in prediction.values())
        assert (np.diff(prediction.bbox_scores) <= 0).all()
        assert prediction.keypoints.shape == (n, 17, 2) and prediction.bboxes.shape == (n, 4)
        np.testing.assert_array_equal(
            prediction.keypoint_scores, np.repeat(prediction.bbox_scores[:, None], 17, axis=1)
        )


@pytest.mark.parametrize('level, row, column', [(0, 3, 5), (1, 0, 11), (2, 2, 1), (4, 0, 1)])
def test_poses_are_in_input_pixels(level, row, column):
    """One cell of one level finds a person; its pose is known to the pixel."""
    stride = 8 * 2**level
    sizes = [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2)]
    cls_scores, centernesses = ([torch.full((2, 1, *s), -9.0) for s in sizes] for _ in range(2))
    keypoint_preds = [torch.zeros(2, 34, *s) for s in sizes]
    cls_scores[level][1, 0, row, column] = 2.0
    centernesses[level][1, 0, row, column] = 1.0
    pose = torch.rand(17, 2, generator=torch.Generator().manual_seed(0)) * 60 + 40  # x, y
    for k, (x, y) in enumerate(pose.tolist()):
        offset = (x - stride * (column + 0.5)) / stride, (y - stride * (row + 0.5)) / stride
        keypoint_preds[level][1, 2 * k, row, column] = offset[0]
        keypoint_preds[level][1, 2 * k + 1, row, column] = offset[1]
    nobody, one = make_head().predict_by_feat(
        cls_scores=cls_scores,
        keypoint_preds=keypoint_preds,
        centernesses=centernesses,
        batch_img_metas=[dict(img_shape=(128, 192))] * 2,
        cfg=TEST_CFG,
    )
    assert len(nobody.bbox_scores) == 0
    np.testing.assert_allclose(one.keypoints, pose[None].numpy(), rtol=1e-5)
    corners = torch.cat([pose.amin(dim=0), pose.amax(dim=0)])
    np.testing.assert_allclose(one.bboxes, corners[None].numpy(), rtol=1e-5)
    score = 1 / (1 + math.exp(-2.0)) / (1 + math.exp(-1.0))
    np.testing.assert_allclose(one.bbox_scores, [score], rtol=1e-5)


def test_heatmap_branch_costs_nothing_at_test():
    head = make_head()
    head.heatmap_head.register_forward_hook(lambda *_: pytest.fail('the heatmaps were computed'))
    with torch.no_grad():
        head.predict(features(), [TWO, NOBODY], TEST_CFG)


def test_without_heatmap_branch():
    head = make_head(heatmap_branch=None)
    assert 'loss_heatmap' not in head.loss(features(), [TWO, NOBODY])


def test_other_keypoints_than_coco():
    head = make_head(metainfo=ANIMAL, groups=ANIMAL_GROUPS, finest_groups=[['nose']])
    assert head.num_keypoints == 5
    assert all(k.shape[1] == 10 for k in head(features())[1])
    assert head.heatmap_head(features()).shape[1] == 5
    losses = head.loss(features(), [sample([[10, 10, 60, 90]], num_keypoints=5)] * 2)
    assert losses['loss_keypoint'] > 0


def test_data_with_another_number_of_keypoints_is_refused():
    with pytest.raises(ValueError, match=r'5 keypoints.*"coco".*17.*`model.head.metainfo`'):
        make_head().loss(features(), [sample([[10, 10, 60, 90]], num_keypoints=5)] * 2)


def test_data_of_another_codec_is_refused():
    heatmaps_only = PoseDataSample(metainfo=dict(img_shape=(128, 192)))
    heatmaps_only.gt_instance_labels = InstanceData(keypoint_weights=torch.ones(1, 17))
    with pytest.raises(ValueError, match=r"\['bboxes', 'keypoints', .*YOLOXPoseAnnotation"):
        make_head().loss(features(), [TWO, heatmaps_only])


@pytest.mark.parametrize(
    'feats, what',
    [
        (features(size=(16, 24))[:3], '3 levels'),
        (features(size=(32, 48)), 'an input of (128, 192) pixels'),  # strides 4, 8, ...
        (features(size=(8, 12)), 'an input of (128, 192) pixels'),  # strides 16, 32, ...
    ],
)
def test_a_neck_of_other_strides_is_refused(feats, what):
    padded = sample([[10, 10, 60, 90]])
    padded.set_metainfo(dict(batch_input_shape=(128, 192)))
    with pytest.raises(ValueError, match=re.escape(what)) as error:
        make_head().loss(feats, [padded] * 2)
    assert 'strides (8, 16, 32, 64, 128)' in str(error.value)


@pytest.mark.parametrize('divide', [math.floor, math.ceil])
def test_a_neck_may_round(divide):
    padded = sample([[10, 10, 60, 90]])
    padded.set_metainfo(dict(batch_input_shape=(320, 448)))
    feats = [
        torch.randn(1, 32, divide(320 / stride), divide(448 / stride))
        for stride in (8, 16, 32, 64, 128)
    ]
    assert make_head().loss(feats, [padded])['loss_cls'].isfinite()


def test_groups_that_do_not_fit_are_refused_by_name():
    without_nose = [list(group) for group in COCO_HEAD.groups]
    without_nose[0].remove('nose')
    without_nose[1] += ['left_hand', 'left_hip']
    with pytest.raises(ValueError) as error:
        make_head(groups=[*without_nose, []])
    message = str(error.value)
    for part in (
        r"['left_hand'] are not keypoints",
        "['left_hip'] stand in more than one",
        "['nose']",
        '"coco" (K = 17)',
        'groups [9] are empty',
        '`groups`',
    ):
        assert part in message
    with pytest.raises(ValueError, match=r'left_eye.*not keypoints.*animal.*left_paw'):
        make_head(metainfo=ANIMAL)


def test_finest_groups_are_named_and_come_first():
    names = ['tail', 'back']
    head = make_head(metainfo=ANIMAL, groups=ANIMAL_GROUPS, finest_groups=[names])
    assert head.keypoint_branch.group_sizes == [2, 1, 2]
    assert [s.sources for s in head.keypoint_branch.samplings] == [(0,) * 5, (0, 0, 1, 2, 3)]
    twice = make_head(metainfo=ANIMAL, groups=ANIMAL_GROUPS, finest_groups=[names, names])
    assert twice.keypoint_branch.samplings == head.keypoint_branch.samplings
    with pytest.raises(ValueError, match=r"\['nose', 'tail'\]\] are not among.*`finest_groups`"):
        make_head(metainfo=ANIMAL, groups=ANIMAL_GROUPS, finest_groups=[['nose', 'tail']])


def test_one_group_of_all_keypoints_samples_the_pyramid():
    """Each level reads the level one finer, as in the paper; none but the first two read P3."""
    head = make_head(groups=None, finest_groups=[])
    branch = head.keypoint_branch
    assert branch.group_sizes == [17]
    assert [s.sources for s in branch.samplings] == [(0, 0, 1, 2, 3)]
    feats = [f.detach() for f in features()]
    before = head(feats)[1]
    feats[0] += 1
    changed = [bool((a != b).any()) for a, b in zip(before, head(feats)[1])]
    assert changed == [True, True, False, False, False]


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(feat_channels=48), 'feat_channels .* multiple of 32, but is 48'),
        (dict(group_channels=6), 'group_channels .* multiple of 4, but is 6'),
        (dict(strides=(16, 8, 32, 64, 128)), r'KPAlign needs strides .* not \(16, 8,'),
        (dict(strides=(8, 12, 24, 48, 96)), r'KPAlign needs strides .* not \(8, 12,'),
    ],
)
def test_channels_and_strides_that_the_head_cannot_divide_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_head(**settings)


def test_strides_and_ranges_must_match():
    with pytest.raises(ValueError, match='2 strides, but 5 regress_ranges'):
        make_head(strides=(8, 16))


def test_flip_test_is_refused():
    with pytest.raises(ValueError, match='flip_test'):
        make_head().predict([features(), features()], [TWO, NOBODY], TEST_CFG)


def test_incomplete_test_cfg_is_refused():
    with pytest.raises(ValueError, match=r"lacks \['nms_pre'\]"):
        make_head().predict(
            features(), [TWO] * 2, {k: v for k, v in TEST_CFG.items() if k != 'nms_pre'}
        )


@pytest.mark.parametrize(
    'ranges', [((64, -1), (64, 1e8)), ((64, 1e8), (-1, 64)), ((-1, 64), (128, 100))]
)
def test_regress_ranges_in_which_nobody_is_learnt_are_refused(ranges):
    with pytest.raises(ValueError, match='least < largest and ends that go up'):
        check_regress_ranges((8, 16), ranges)


def test_what_the_head_gives_its_parts_cannot_be_set_there():
    with pytest.raises(ValueError, match=r"keypoint_branch of DirectPoseHead sets \['groups'\]"):
        merge_settings('keypoint_branch', dict(type='KPAlign', groups=[[0]]), groups=[[1]])
