"""Decoding against loops over locations and pairs of boxes."""

import math
import warnings

import pytest
import torch

from directpose.models.decode import PoseDecoder, Poses, to_instances

STRIDES = (8, 16)
SIZES = ((6, 9), (3, 5))
CFG = dict(
    score_thr=0.0,
    cls_thr=0.3,
    nms_pre=1000,
    nms=dict(iou_threshold=0.4, offset=1),
    max_per_img=100,
)


def raw_maps(seed=0, num_keypoints=3, num_images=1):
    torch.manual_seed(seed)
    cls = [torch.randn(num_images, 1, *s) * 2 for s in SIZES]
    kpt = [torch.randn(num_images, 2 * num_keypoints, *s) * 3 for s in SIZES]
    ctr = [torch.randn(num_images, 1, *s) for s in SIZES]
    return cls, kpt, ctr


def decode(maps, img_shape, **cfg):
    """Poses of the first image, without the rows that hold none."""
    poses = PoseDecoder(STRIDES, {**CFG, **cfg})(maps, torch.tensor([img_shape]))
    return poses.map(lambda field: field[0][poses.scores[0] >= 0])


def iou(a, b):
    """With the legacy widths, one pixel more than the difference."""
    w = min(a[2], b[2]) - max(a[0], b[0]) + 1
    h = min(a[3], b[3]) - max(a[1], b[1]) + 1
    both = max(w, 0) * max(h, 0)
    area = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
    return both / (sum(area) - both)


def decode_by_hand(maps, img_shape, score_thr, cls_thr, nms_pre, nms, max_per_img):
    """Poses (score, keypoints, box) of the first image; Python's sort is stable."""
    cls, kpt, ctr = ([m[0] for m in levels] for levels in maps)
    assert nms['offset'] == 1
    height, width = img_shape
    people = []
    for level, stride in enumerate(STRIDES):
        found = []
        for i in range(SIZES[level][0]):
            for j in range(SIZES[level][1]):
                prob = 1 / (1 + math.exp(-cls[level][0, i, j].item()))
                score = prob / (1 + math.exp(-ctr[level][0, i, j].item()))
                if prob <= cls_thr or score < score_thr:
                    continue
                values = kpt[level][:, i, j].tolist()
                pose = [
                    (stride * (j + x) + stride // 2, stride * (i + y) + stride // 2)
                    for x, y in zip(values[::2], values[1::2])
                ]
                xs, ys = zip(*pose)
                box = [
                    min(max(min(xs), 0), width - 1),
                    min(max(min(ys), 0), height - 1),
                    min(max(max(xs), 0), width - 1),
                    min(max(max(ys), 0), height - 1),
                ]
                found.append((score, pose, box))
        people += sorted(found, key=lambda p: -p[0])[:nms_pre]
    kept = []
    for person in sorted(people, key=lambda p: -p[0]):
        if all(iou(person[2], other[2]) <= nms['iou_threshold'] for other in kept):
            kept.append(person)
    return kept[:max_per_img]


@pytest.mark.parametrize(
    'change',
    [
        {},
        dict(cls_thr=0.8),
        dict(score_thr=0.4),
        dict(score_thr=0.4, nms_pre=5),
        dict(nms_pre=5),
        dict(max_per_img=3),
        dict(nms=dict(iou_threshold=0.8, offset=1)),
    ],
)
def test_equals_a_loop(change):
    maps, cfg = raw_maps(), {**CFG, **change}
    poses = decode(maps, (45, 70), **cfg)
    want = decode_by_hand(maps, (45, 70), **cfg)
    assert len(want) > 1
    torch.testing.assert_close(poses.scores, torch.tensor([p[0] for p in want]))
    torch.testing.assert_close(poses.keypoints, torch.tensor([p[1] for p in want]))
    torch.testing.assert_close(poses.boxes, torch.tensor([p[2] for p in want]))


@pytest.mark.parametrize('nms_pre', [1000, 7])
def test_of_equal_scores_the_first_location_is_better(nms_pre):
    """As in half precision, where many scores are equal; the cut at ``nms_pre`` is one too."""
    maps = raw_maps(num_keypoints=2)
    for levels in (maps[0], maps[2]):
        for level in levels:
            level.round_()
    poses = decode(maps, (45, 70), nms_pre=nms_pre)
    want = decode_by_hand(maps, (45, 70), **{**CFG, 'nms_pre': nms_pre})
    assert len({p[0] for p in want}) < len(want) - 2  # there are equal scores
    torch.testing.assert_close(poses.keypoints, torch.tensor([p[1] for p in want]))


def test_a_location_at_the_threshold_is_no_candidate():
    cls, kpt, ctr = raw_maps()
    cls = [torch.full_like(m, -9.0) for m in cls]
    cls[0][0, 0, 2, 3], cls[0][0, 0, 5, 8] = 0.0, 0.1
    assert len(decode((cls, kpt, ctr), (45, 70), cls_thr=0.5).scores) == 1


def test_a_pose_at_the_score_threshold_is_returned():
    """The threshold is on the score that is returned, classification times centerness."""
    cls, kpt, ctr = raw_maps()
    cls, ctr = ([torch.full_like(m, -9.0) for m in maps] for maps in (cls, ctr))
    cls[0][0, 0, 2, 3] = cls[0][0, 0, 5, 8] = 0.0
    ctr[0][0, 0, 2, 3], ctr[0][0, 0, 5, 8] = 0.0, -0.1
    for score_thr in (0.25, torch.tensor([0.25])):  # an exported graph is given a tensor
        poses = decode((cls, kpt, ctr), (45, 70), score_thr=score_thr)
        assert poses.scores.tolist() == [0.25]


def test_settings_of_before_are_refused():
    """``score_thr`` alone once meant the classification; nobody shall get other people unaware."""
    settings = {key: value for key, value in CFG.items() if key != 'cls_thr'}
    with pytest.raises(ValueError, match=r"lacks \['cls_thr'\]; `score_thr` is the least score"):
        PoseDecoder(STRIDES, settings)


def test_each_image_of_a_batch_has_the_poses_that_it_has_alone():
    maps, sizes = raw_maps(num_images=3), torch.tensor([[45, 70], [20, 30], [48, 72]])
    decoder = PoseDecoder(STRIDES, CFG)
    batch = decoder(maps, sizes)
    for i in range(3):
        alone = decoder([[m[i : i + 1] for m in levels] for levels in maps], sizes[i : i + 1])
        assert (alone.scores >= 0).sum() > 5
        found = alone.scores[0] >= 0
        for one, other in zip(batch[:3], alone[:3], strict=True):
            torch.testing.assert_close(one[i][found], other[0][found])
        assert torch.equal(batch.scores[i] >= 0, found)


def test_nobody():
    cls, kpt, ctr = raw_maps()
    poses = decode(([c - 100 for c in cls], kpt, ctr), (45, 70))
    assert poses.scores.shape == (0,) and poses.keypoints.shape == (0, 3, 2)
    assert poses.boxes.shape == (0, 4)


def test_a_person_found_at_many_locations_is_one_pose():
    """Every location of both levels points at the same three keypoints."""
    pose = torch.tensor([[10.0, 10.0], [40.0, 12.0], [25.0, 38.0]])
    kpt = []
    for size, stride in zip(SIZES, STRIDES):
        offsets = torch.empty(1, 3, 2, *size)
        for i in range(size[0]):
            for j in range(size[1]):
                location = torch.tensor([stride * j + stride // 2, stride * i + stride // 2])
                offsets[0, :, :, i, j] = (pose - location) / stride
        kpt.append(offsets.flatten(1, 2))
    cls = [torch.full((1, 1, *s), 2.0) for s in SIZES]
    cls[0][0, 0, 2, 3] = 4.0
    poses = decode((cls, kpt, [torch.zeros_like(m) for m in cls]), (48, 72))
    assert len(poses.scores) == 1
    torch.testing.assert_close(poses.keypoints[0], pose)


def test_boxes_are_clipped_to_the_image_without_padding_and_keypoints_are_not():
    cls = [torch.full((1, 1, *s), -9.0) for s in SIZES]
    kpt = [torch.zeros(1, 4, *s) for s in SIZES]
    for (i, j), pose in {(0, 0): [-5, 3, 99, 50], (1, 1): [-9, -9, -8, -7]}.items():
        cls[0][0, 0, i, j] = 9.0
        location = torch.tensor([8.0 * j + 4, 8 * i + 4]).tile(2)
        kpt[0][0, :, i, j] = (torch.tensor(pose) - location) / 8
    poses = decode((cls, kpt, cls), (40, 60))
    assert poses.boxes.tolist() == [[0, 3, 59, 39], [0, 0, 0, 0]]
    assert poses.keypoints.flatten(1).tolist() == [[-5, 3, 99, 50], [-9, -9, -8, -7]]


def test_incomplete_settings_are_refused():
    with pytest.raises(ValueError, match=r"`model.test_cfg` lacks \['nms_pre'\]"):
        PoseDecoder(STRIDES, {k: v for k, v in CFG.items() if k != 'nms_pre'})


@pytest.mark.parametrize('value', [math.nan, math.inf])
@pytest.mark.parametrize('name', Poses._fields)
def test_a_pose_that_is_not_finite_is_left_out_with_a_warning(name, value):
    poses = PoseDecoder(STRIDES, CFG)(raw_maps(), torch.tensor([[200, 200]]))
    ratings = torch.full(poses.keypoints.shape[:3], 0.5)
    poses = poses._replace(keypoint_scores=ratings, keypoints_hidden=ratings.clone())
    number = int((poses.scores >= 0).sum())
    field = getattr(poses, name)
    field[0, 1].view(-1)[-1] = value
    field[0, number:] = -1 if name == 'scores' else value  # rows that hold no pose
    with pytest.warns(RuntimeWarning, match='not finite .* are left out'):
        (found,) = to_instances(poses)
    kept = [i for i in range(number) if i != 1]
    assert number > 2
    assert found.bbox_scores.tolist() == poses.scores[0, kept].tolist()
    assert found.keypoints.tolist() == poses.keypoints[0, kept].tolist()


def test_rows_that_hold_no_pose_may_be_anything():
    poses = PoseDecoder(STRIDES, CFG)(raw_maps(), torch.tensor([[200, 200]]))
    number = int((poses.scores >= 0).sum())
    poses.keypoints[0, number:] = math.nan
    with warnings.catch_warnings(action='error'):
        (found,) = to_instances(poses)
    assert len(found.bbox_scores) == number
