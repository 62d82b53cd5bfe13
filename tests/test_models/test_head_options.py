"""What the head can do beside the paper's default: plain regression, boxes, OKS."""

import math

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpose.registry import MODELS, TASK_UTILS
from mmpose.structures import PoseDataSample
from torchvision.ops import generalized_box_iou_loss

from directpose.models.cells import Cells
from directpose.models.decode import PoseDecoder
from directpose.models.oks_assignment import assign_by_oks
from directpose.models.targets import PositiveTargets, at_positives, make_locations

COCO_HEAD = Config.fromfile('configs/_base_/models/directpose_r50-aa_fpn.py').model.head
COCO_FILE = 'configs/_base_/datasets/coco.py'
STRIDES = (8, 16, 32, 64, 128)
SIZE = (128, 192)  # height and width of the images in input pixels
OKS_LOSS = dict(type='OKSLoss', metainfo=COCO_FILE, reduction='none', norm_target_weight=True)
BOX_BRANCH = dict(type='BoxBranch', feat_channels=32, stacked_convs=1)
SIM_OTA = dict(
    type='SimOTAAssigner',
    dynamic_k_indicator='oks',
    iou_weight=0.0,
    oks_calculator=dict(type='PoseOKS', metainfo=COCO_FILE),
)


def make_head(type='DirectPoseHead', **kwargs):
    torch.manual_seed(0)
    head = MODELS.build(
        dict(
            type=type,
            metainfo=dict(from_file=COCO_FILE),
            in_channels=32,
            feat_channels=32,
            group_channels=8,
            stacked_convs=1,
            **{'groups': COCO_HEAD.groups, 'finest_groups': COCO_HEAD.finest_groups, **kwargs},
        )
    )
    head.init_weights()
    return head


def features():
    torch.manual_seed(1)
    return [torch.randn(2, 32, math.ceil(SIZE[0] / s), math.ceil(SIZE[1] / s)) for s in STRIDES]


def locations_of(level, stride):
    """(H * W, 2): x and y of the locations of a map, row by row."""
    height, width = level.shape[-2:]
    return torch.tensor(
        [
            [stride * j + stride // 2.0, stride * i + stride // 2.0]
            for i in range(height)
            for j in range(width)
        ]
    )


def people(boxes=()):
    torch.manual_seed(2)
    n = len(boxes)
    boxes = torch.tensor(boxes, dtype=torch.float).reshape(n, 4)
    extent = boxes[:, 2:] - boxes[:, :2]
    return InstanceData(
        bboxes=boxes,
        labels=torch.zeros(n, dtype=torch.long),
        areas=extent.prod(dim=1) / 2,
        keypoints=boxes[:, None, :2] + torch.rand(n, 17, 2) * extent[:, None],
        keypoints_visible=(torch.rand(n, 17) < 0.8).float(),
    )


def batch(*images):
    samples = []
    for item in images:
        samples.append(PoseDataSample(metainfo=dict(img_shape=SIZE)))
        samples[-1].gt_instance_labels = item
    return samples


BRANCHES = [
    dict(),
    dict(keypoint_branch=dict(type='PlainKeypointBranch'), groups=None, finest_groups=()),
    dict(type='DirectPoseBoxHead', box_branch=BOX_BRANCH),
    dict(type='DirectPoseScoreHead', loss_oks=OKS_LOSS),
]


@pytest.mark.parametrize('options', BRANCHES, ids=['KPAlign', 'plain', 'box', 'scores'])
@torch.no_grad()
def test_outputs_at_some_cells_are_those_of_the_maps(options):
    """What an exported graph computes, beside what training computes."""
    head = make_head(**options)
    for name, parameter in head.keypoint_branch.named_parameters():
        if name.endswith('bias'):
            torch.nn.init.normal_(parameter)
    feats = features()
    wanted = dict(zip(head.output_names, head(feats)))
    chosen = [torch.randint(level[0, 0].numel(), (2, 3)) for level in wanted['cls_score']]
    cells = Cells.of(feats).choose(chosen)
    got = head.predict_at(head.encode(feats), cells)
    assert set(got) == set(wanted) - {'cls_score', 'centerness'}
    for name, values in got.items():
        assert values.std() > 0.1
        torch.testing.assert_close(values, cells.read(wanted[name]))


TWO = people([[10, 10, 60, 90], [70, 20, 180, 120]])
NOBODY = people()


@pytest.mark.parametrize(
    'options, losses',
    [
        (
            dict(keypoint_branch=dict(type='PlainKeypointBranch'), groups=None, finest_groups=()),
            set(),
        ),
        (dict(groups=None, finest_groups=()), set()),
        (dict(finest_groups=()), set()),
        (dict(type='DirectPoseBoxHead', box_branch=BOX_BRANCH), {'loss_box'}),
        (dict(type='DirectPoseOKSHead', loss_oks=OKS_LOSS), {'loss_oks'}),
        (dict(type='DirectPoseOKSHead', assigner=SIM_OTA), set()),
        (dict(type='DirectPoseOKSHead', assigner=SIM_OTA, loss_oks=OKS_LOSS), {'loss_oks'}),
    ],
    ids=[
        'plain',
        'one group',
        'nothing from the finest',
        'box',
        'oks loss',
        'oks assignment',
        'oks both',
    ],
)
def test_every_option_learns_with_and_without_people(options, losses):
    head = make_head(**options)
    expected = {'loss_cls', 'loss_centerness', 'loss_keypoint', 'loss_heatmap'} | losses
    for images in [(TWO, NOBODY), (NOBODY, NOBODY)]:
        head.zero_grad()
        found = head.loss(features(), batch(*images))
        assert set(found) == expected
        sum(found.values()).backward()
        for name, parameter in head.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        for name in {'loss_keypoint'} | losses:
            assert (found[name] > 0) == (TWO in images), name


@pytest.mark.parametrize(
    'name, options',
    [
        ('loss_box', dict(type='DirectPoseBoxHead', box_branch=BOX_BRANCH)),
        ('loss_oks', dict(type='DirectPoseOKSHead', loss_oks=OKS_LOSS)),
    ],
)
def test_one_location_of_low_weight_costs_its_weight_alone(name, options, monkeypatch):
    """The sum of the weights, by which a loss is divided, is taken as 1 where it is less."""
    head = make_head(**options)
    maps = head(features())
    targets = head.get_targets(*maps[:2], [TWO, NOBODY])

    def loss(*weights):
        """The loss of the first location, as often as there are weights."""
        rows = PositiveTargets(*[field[[0] * len(weights)] for field in targets])
        rows = rows._replace(centerness=torch.tensor(weights))
        monkeypatch.setattr(head, 'get_targets', lambda *args: rows)
        return head.loss_by_feat(*maps, [TWO, NOBODY])[name]

    mean = loss(1.0, 1.0, 1.0)
    torch.testing.assert_close(loss(0.5), mean / 2)
    torch.testing.assert_close(loss(1.0, 0.5), mean)


def test_plain_branch_looks_at_its_own_location_alone():
    """KPAlign sees elsewhere, the ablation does not: that is the difference."""
    torch.manual_seed(0)
    tower = [torch.zeros(1, 4 * 8, 9, 9), torch.zeros(1, 4 * 8, 5, 5)]
    cfg = dict(channels=8, groups=[[0], [1, 3], [2], [4]], strides=(8, 16), num_finest=0)
    plain = MODELS.build(dict(type='PlainKeypointBranch', **cfg))
    before = plain(tower)['keypoint_pred']
    assert [tuple(p.shape) for p in before] == [(1, 10, 9, 9), (1, 10, 5, 5)]
    tower[0][..., 0, 0] += 1
    after = plain(tower)['keypoint_pred']
    changed = (after[0] != before[0]).any(dim=1)[0]
    assert changed[:2, :2].all() and changed.sum() == 4
    assert torch.equal(after[1], before[1])


class TestBoxes:
    def test_the_branch_is_that_of_fcos(self):
        head = MODELS.build(dict(type='DirectPoseBoxHead', metainfo=dict(from_file=COCO_FILE)))
        branch = head.box_branch
        branch.init_weights()
        convs = [m for m in branch.modules() if isinstance(m, torch.nn.Conv2d)]
        assert [(conv.in_channels, conv.out_channels) for conv in convs] == [(256, 256)] * 4 + [
            (256, 4)
        ]
        for conv in convs:
            assert conv.weight.std().item() == pytest.approx(0.01, rel=0.05)
            assert not conv.bias.any()

    def test_the_loss_is_a_mean_weighted_by_centerness(self):
        head = make_head('DirectPoseBoxHead', box_branch=BOX_BRANCH)
        cls, kpt, ctr, boxes = head(features())
        people = [TWO, NOBODY]
        found = head.loss_by_feat(cls, kpt, ctr, boxes, people)['loss_box']
        targets = head.get_targets(cls, kpt, people)
        weights = targets.centerness
        assert len(weights.unique()) > 3
        sides = at_positives(boxes, targets) * targets.strides[:, None]
        corners = torch.cat([targets.points - sides[:, :2], targets.points + sides[:, 2:]], dim=1)
        losses = generalized_box_iou_loss(corners, targets.boxes)
        torch.testing.assert_close(found, (losses * weights).sum() / weights.sum())

    def test_distances_are_positive_and_start_at_a_stride(self):
        distances = make_head('DirectPoseBoxHead', box_branch=BOX_BRANCH)(features())[3]
        for level in distances:
            assert level.shape[1] == 4
            assert (level > 0.5).all() and (level < 2).all()

    def test_right_boxes_cost_nothing_and_wrong_ones_do(self):
        head = make_head('DirectPoseBoxHead', box_branch=BOX_BRANCH)
        cls, kpt, ctr, boxes = head(features())
        low, high = TWO.bboxes[0].split(2)
        right = []
        for stride, level in zip(STRIDES, boxes):
            points = locations_of(level, stride)
            distances = torch.cat([points - low, high - points], dim=1) / stride
            right.append(distances.T.reshape(1, *level.shape[1:]).repeat(2, 1, 1, 1))
        one = [TWO[:1], NOBODY]
        assert head.loss_by_feat(cls, kpt, ctr, right, one)['loss_box'] < 1e-5
        wrong = [level * 1.5 for level in right]
        assert head.loss_by_feat(cls, kpt, ctr, wrong, one)['loss_box'] > 0.3

    def test_nms_is_on_the_predicted_boxes(self):
        """Two poses that look the same, in boxes that do not overlap, are two people."""
        cls = torch.full((1, 1, 4, 6), -9.0)
        cls[0, 0, 1, 1] = cls[0, 0, 1, 3] = 9.0
        xs, ys = torch.meshgrid(torch.arange(6) * 8 + 4.0, torch.arange(4) * 8 + 4.0, indexing='xy')
        kpt = -torch.stack([xs, ys, xs - 30, ys - 20]) / 8  # (0, 0) and (30, 20) from everywhere
        maps = [cls], [kpt[None]], [torch.zeros(1, 1, 4, 6)]
        nms = dict(iou_threshold=0.4, offset=1)
        decoder = PoseDecoder(
            (8,), dict(score_thr=0.0, cls_thr=0.05, nms_pre=9, nms=nms, max_per_img=9)
        )
        sizes = torch.tensor([[32, 48]])
        poses = decoder(maps, sizes)
        assert poses.boxes[poses.scores >= 0].tolist() == [[0, 0, 30, 20]]
        distances = torch.full((1, 4, 4, 6), 0.5)
        distances[0, 1] = 4.0  # top: beyond the image
        poses = decoder((*maps, [distances]), sizes)
        found = poses.scores >= 0
        assert sorted(poses.boxes[found].tolist()) == [[8, 0, 16, 16], [24, 0, 32, 16]]
        assert poses.keypoints[found].tolist() == [[[0, 0], [30, 20]]] * 2

    def test_the_head_returns_them(self):
        head = make_head('DirectPoseBoxHead', box_branch=BOX_BRANCH)
        torch.nn.init.constant_(head.conv_cls.bias, 2.0)
        cfg = dict(
            score_thr=0.0,
            cls_thr=0.05,
            nms_pre=50,
            nms=dict(iou_threshold=0.4, offset=1),
            max_per_img=20,
        )
        with torch.no_grad():
            pred = head.predict(features(), batch(TWO, NOBODY), cfg)[0]
        size = pred.bboxes[:, 2:] - pred.bboxes[:, :2]
        assert len(size) and size.max() > 2 * 8 * 0.5  # two distances of about a stride


def test_people_without_areas_are_refused_by_name():
    item = people([[10, 10, 60, 90]])
    del item.areas
    head = make_head('DirectPoseOKSHead', loss_oks=OKS_LOSS)
    with pytest.raises(ValueError, match=r"lacks \['areas'\]"):
        head.loss(features(), batch(TWO, item))


@pytest.mark.parametrize(
    'options', [dict(loss_oks=OKS_LOSS), dict(assigner=SIM_OTA), dict(score_by_oks=True)]
)
def test_weights_of_the_papers_head_fit(options):
    paper, other = make_head(), make_head('DirectPoseOKSHead', **options)
    assert list(other.state_dict()) == list(paper.state_dict())


def similarities(head, maps):
    """COCO's similarity at each positive location of ``TWO``, by a loop in input pixels.

    Yields the level, the index of the cell in its map, the centerness and the similarity.
    """
    sigmas = head.metainfo['sigmas'].tolist()
    for level, (stride, pred) in enumerate(zip(STRIDES, maps[1])):
        low, high = head.regress_ranges[level]
        for cell, (x, y) in enumerate(locations_of(pred, stride).tolist()):
            for box, area, keypoints, visible in zip(
                TWO.bboxes.tolist(), TWO.areas.tolist(), TWO.keypoints, TWO.keypoints_visible
            ):
                sides = (x - box[0], y - box[1], box[2] - x, box[3] - y)
                central = (
                    abs(x - (box[0] + box[2]) / 2) < 1.5 * stride
                    and abs(y - (box[1] + box[3]) / 2) < 1.5 * stride
                )
                if min(sides) <= 0 or not central or not low <= max(sides) <= high:
                    continue
                offsets = pred[0].flatten(1)[:, cell].reshape(17, 2) * stride
                oks = [
                    math.exp(
                        -((x + dx - u) ** 2 + (y + dy - v) ** 2) / (2 * area * (2 * sigma) ** 2)
                    )
                    for (dx, dy), (u, v), sigma, seen in zip(
                        offsets.tolist(), keypoints.tolist(), sigmas, visible.tolist()
                    )
                    if seen
                ]
                centerness = math.sqrt(
                    min(sides[0], sides[2])
                    / max(sides[0], sides[2])
                    * min(sides[1], sides[3])
                    / max(sides[1], sides[3])
                )
                yield level, cell, centerness, sum(oks) / len(oks)


def test_oks_loss_is_one_minus_cocos_similarity():
    """A location weighs its centerness target."""
    head = make_head('DirectPoseOKSHead', loss_oks=OKS_LOSS)
    maps = head(features())
    total, weights = 0.0, 0.0
    for _, _, centerness, oks in similarities(head, maps):
        total += centerness * (1 - oks)
        weights += centerness
    loss = head.loss_by_feat(*maps, [TWO, NOBODY])['loss_oks']
    assert weights > 1
    torch.testing.assert_close(loss, torch.tensor(total / weights), rtol=1e-4, atol=1e-5)


def test_the_centerness_branch_learns_the_similarity():
    head = make_head('DirectPoseOKSHead', score_by_oks=True)
    maps = head(features())
    for pred in maps[1]:
        pred.retain_grad()
    wanted, targets = [], []
    for level, cell, _, oks in similarities(head, maps):
        probability = maps[2][level][0].flatten()[cell].sigmoid().item()
        wanted.append(-oks * math.log(probability) - (1 - oks) * math.log(1 - probability))
        targets.append(oks)
    assert max(targets) - min(targets) > 0.01  # poses that are near and far
    loss = head.loss_by_feat(*maps, [TWO, NOBODY])['loss_centerness']
    torch.testing.assert_close(loss.item(), sum(wanted) / len(wanted), rtol=1e-4, atol=1e-5)
    loss.backward()
    assert all(pred.grad is None for pred in maps[1])  # targets pass no gradient to the poses


def test_a_training_that_diverges_has_a_loss_that_is_not_finite():
    """So that it ends with the message for this, and not inside the assigner."""
    head = make_head('DirectPoseOKSHead', assigner=SIM_OTA)
    maps = [[level * float('nan') for level in levels] for levels in head(features())]
    assert head.loss_by_feat(*maps, [TWO, NOBODY])['loss_cls'].isnan()


class TestOksAssignment:
    def setup_method(self):
        self.locations = make_locations(((16, 24), (8, 12)), (8, 16), ((-1, 64), (64, 1e5)), 'cpu')
        self.assigner = TASK_UTILS.build(SIM_OTA)

    def assign(self, good, instances, known=slice(None)):
        """``good`` maps an index of a location to the person whose keypoints ``known`` it finds."""
        num = len(self.locations.points)
        pred = torch.full((1, 34, num), 500.0)  # far away from everybody
        for index, person in good.items():
            offset = instances.keypoints[person] - self.locations.points[index]
            offset = offset / self.locations.strides[index]
            pred.view(17, 2, num)[known, :, index] = offset[known]
        person = assign_by_oks(
            self.assigner, self.locations, torch.zeros(1, num), pred, [instances]
        )[0]
        return {i: p for i, p in enumerate(person.tolist()) if p >= 0}

    def near(self, box, count):
        """The ``count`` locations nearest to the centre of a box, whatever their level."""
        center = torch.tensor([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        return (self.locations.points - center).norm(dim=1).argsort()[:count].tolist()

    def test_who_predicts_well_is_positive(self):
        boxes = TWO.bboxes.tolist()
        good = {
            **dict.fromkeys(self.near(boxes[0], 3), 0),
            **dict.fromkeys(self.near(boxes[1], 6), 1),
        }
        assert self.assign(good, TWO) == good
        strides = {float(self.locations.strides[i]) for i in good}
        assert strides == {8.0, 16.0}  # the level is free

    def test_nothing_outside_of_a_box(self):
        """A person too small to hold a location has none, even where a prediction is perfect."""
        tiny = people([[9, 9, 11, 11], [70, 20, 180, 120]])
        chosen = self.assign({0: 0}, tiny)
        assert set(chosen.values()) == {1}

    def test_hidden_keypoints_count_as_much_as_visible_ones(self):
        """Data that keep COCO's visibility have 2 for visible keypoints, here those of odd index.

        Six locations predict the other half of the keypoints. The number of those that learn the
        person is the sum of their similarities.
        """
        seen = TWO.clone()
        seen.keypoints_visible = TWO.keypoints_visible * (1 + torch.arange(17) % 2)
        good = dict.fromkeys(self.near(TWO.bboxes[1].tolist(), 6), 1)
        even = slice(0, None, 2)
        chosen = self.assign(good, TWO, even)
        similarity = TWO.keypoints_visible[1, even].sum() / TWO.keypoints_visible[1].sum()
        assert list(chosen.values()).count(1) == int(6 * similarity)
        assert self.assign(good, seen, even) == chosen

    def test_nobody(self):
        assert self.assign({}, NOBODY) == {}
