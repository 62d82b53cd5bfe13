"""A score for each keypoint: from the right features, for the right keypoint, and no more."""

import copy
import math

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.apis import inference_bottomup, init_model

from directpose.analysis import make_picture
from directpose.datasets.transforms import ShortSideResize
from directpose.deployment import export_onnx, verify_onnx
from directpose.models.merge_views import upright_poses
from directpose.models.scored_kpalign import ScoredKPAlign
from directpose.models.targets import PositiveTargets
from directpose.runtime import DirectPose
from tests.deformable_kpalign import deformable_kpalign

from .test_head_options import (
    NOBODY,
    OKS_LOSS,
    STRIDES,
    TWO,
    batch,
    features,
    locations_of,
    make_head,
)
from .test_kpalign import GROUPS, pyramid

SIZES = [(20, 28), (10, 14), (5, 7), (3, 4), (2, 2)]
TINY = 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py'


def seen(instances):
    """People whose labelled keypoints are hidden (1) and visible (2) by turns."""
    instances = instances.clone()
    turns = 1 + torch.arange(17) % 2
    instances.keypoints_visible = (instances.keypoints_visible > 0) * turns.float()
    return instances


def score_head(**kwargs):
    head = make_head('DirectPoseScoreHead', loss_oks=OKS_LOSS, **kwargs)
    for scorer in head.keypoint_branch.scorers:
        torch.nn.init.normal_(scorer.weight, std=0.5)
        torch.nn.init.normal_(scorer.bias)
    return head


@torch.no_grad()
def test_the_logits_are_sampled_where_the_keypoints_are():
    """As if they were offsets: then they are what KPAlign adds to its sampling points."""
    torch.manual_seed(0)
    module = ScoredKPAlign(8, GROUPS, strides=STRIDES, num_finest=1)
    for part in (module.locator, *module.predictors, *module.scorers):
        torch.nn.init.normal_(part.bias)
    feats = pyramid(SIZES, 32)
    outputs = module(feats)
    for got, wanted in zip(outputs['keypoint_pred'], deformable_kpalign(module, feats, GROUPS, 1)):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)

    other = copy.deepcopy(module)
    other.predictors = module.scorers
    with_logits = deformable_kpalign(other, feats, GROUPS, 1)
    for scorer in other.predictors:
        torch.nn.init.zeros_(scorer.weight)
        torch.nn.init.zeros_(scorer.bias)
    points_alone = deformable_kpalign(other, feats, GROUPS, 1)
    for level, (moved, points, logit) in enumerate(
        zip(with_logits, points_alone, outputs['keypoint_logit'])
    ):
        # the keypoints 0, 3 and 1 read the finest level, the others one level finer
        ratios = [2**level if k in GROUPS[0] else 2 ** min(level, 1) for k in range(7)]
        ratios = torch.tensor(ratios).repeat_interleave(2)[:, None, None]
        torch.testing.assert_close(logit, (moved - points) * ratios, rtol=1e-3, atol=1e-3)


def test_a_branch_that_does_not_rate_is_refused():
    with pytest.raises(ValueError, match="set its type to 'ScoredKPAlign', not 'KPAlign'"):
        make_head('DirectPoseScoreHead', loss_oks=OKS_LOSS, keypoint_branch=dict(type='KPAlign'))


def test_losses_are_those_of_a_loop():
    head = score_head()
    maps = head(features())
    two = seen(TWO)
    score_terms, hidden_terms = [], []
    targets = head.get_targets(maps[0], maps[1], [two, NOBODY])
    person = {tuple(box): i for i, box in enumerate(two.bboxes.tolist())}
    sigmas = head.metainfo['sigmas'].tolist()
    for box, stride, (x, y) in zip(
        targets.boxes.tolist(), targets.strides.tolist(), targets.points.tolist()
    ):
        i, level = person[tuple(box)], STRIDES.index(stride)
        cell = locations_of(maps[1][level], int(stride)).tolist().index([x, y])
        offsets = maps[1][level][0].flatten(1)[:, cell].view(17, 2) * stride
        logits = maps[3][level][0].flatten(1)[:, cell].view(17, 2)
        for k in range(17):
            v = two.keypoints_visible[i, k].item()
            u, w = two.keypoints[i, k].tolist()
            dx, dy = offsets[k].tolist()
            squared = (x + dx - u) ** 2 + (y + dy - w) ** 2
            oks = math.exp(-squared / (2 * two.areas[i].item() * (2 * sigmas[k]) ** 2))
            score, hidden = logits[k].sigmoid().tolist()
            wanted = oks if v else 0.0
            score_terms.append(-wanted * math.log(score) - (1 - wanted) * math.log(1 - score))
            if v:
                hidden_terms.append(-math.log(hidden if v == 1 else 1 - hidden))
    losses = head.loss_by_feat(*maps, [two, NOBODY])
    for name, terms in (('loss_keypoint_score', score_terms), ('loss_hidden', hidden_terms)):
        wanted = torch.tensor(sum(terms) / len(terms))
        torch.testing.assert_close(losses[name].detach(), wanted, rtol=1e-4, atol=1e-5)


def test_the_loss_of_one_labelled_keypoint_is_not_divided_further(monkeypatch):
    """The number of keypoints, by which a loss is divided, is taken as 1 where there is none."""
    head = score_head()
    maps = head(features())
    targets = head.get_targets(maps[0], maps[1], [TWO, NOBODY])

    def loss(times):
        """The loss of one keypoint of the first location, so many times."""
        rows = PositiveTargets(*[field[[0] * times] for field in targets])
        hidden = torch.zeros_like(rows.visible)
        hidden[:, 3] = 1
        rows = rows._replace(visible=hidden, visibility=hidden)
        monkeypatch.setattr(head, 'get_targets', lambda *args: rows)
        return head.loss_by_feat(*maps, [TWO, NOBODY])['loss_hidden']

    torch.testing.assert_close(loss(1), loss(3))


def test_the_scores_teach_nothing_else():
    """Neither by their own loss, nor through the weights that they share with keypoints."""
    head = score_head(scores_alone=True).train()
    before = copy.deepcopy(head.state_dict())
    feats = [feat.requires_grad_() for feat in features()]
    losses = head.loss(feats, batch(seen(TWO), NOBODY))
    assert set(losses) == {'loss_keypoint_score', 'loss_hidden'}
    sum(losses.values()).backward()
    taught = {name for name, p in head.named_parameters() if p.grad is not None}
    scorers = {name for name, _ in head.named_parameters() if '.scorers.' in name}
    assert taught == scorers and all(feat.grad is None for feat in feats)
    for name, value in head.state_dict().items():  # statistics of batch norm
        assert torch.equal(value, before[name]), name


def test_all_other_losses_are_those_without_scores():
    paper = make_head('DirectPoseOKSHead', loss_oks=OKS_LOSS)
    head = score_head()
    missing = head.load_state_dict(paper.state_dict(), strict=False).missing_keys
    assert missing and all('.scorers.' in name for name in missing)
    paper, head = paper.eval(), head.eval()
    people = batch(seen(TWO), NOBODY)
    wanted, got = paper.loss(features(), people), head.loss(features(), people)
    for name, loss in wanted.items():
        torch.testing.assert_close(got[name], loss, rtol=0, atol=0)


def test_nobody_costs_nothing():
    losses = score_head().loss(features(), batch(NOBODY, NOBODY))
    assert losses['loss_keypoint_score'] == losses['loss_hidden'] == 0


def test_data_without_cocos_visibility_is_refused():
    head, people = score_head(), batch(TWO, NOBODY)
    head.loss(features(), people)  # a batch may have hidden keypoints alone
    with pytest.raises(ValueError, match='keep_visibility=True'):
        for _ in range(50):
            head.loss(features(), people)


def test_batches_with_hidden_keypoints_alone_are_trained_on():
    head = score_head()
    head.loss(features(), batch(seen(TWO), NOBODY))
    for _ in range(50):
        assert head.loss(features(), batch(TWO, NOBODY))['loss_hidden'] > 0


def test_predictions_have_the_scores_of_their_cells():
    head = score_head().eval()
    cfg = dict(
        score_thr=0.0,
        cls_thr=0.05,
        nms_pre=100,
        nms=dict(iou_threshold=0.4, offset=1),
        max_per_img=20,
    )
    with torch.no_grad():
        maps = [[level.clone() for level in levels] for levels in head(features())]
    for levels in maps[0]:
        levels.fill_(-9.0)
    level, (row, column) = 1, (3, 5)
    maps[0][level][1, 0, row, column] = 9.0  # one person, in the second image
    metas = [dict(img_shape=(128, 192))] * 2
    nobody, one = head.predict_by_feat(*maps, batch_img_metas=metas, cfg=cfg)
    assert nobody.keypoint_scores.shape == nobody.keypoints_hidden.shape == (0, 17)
    logits = maps[3][level][1, :, row, column].view(17, 2)
    wanted = torch.stack(
        [torch.tensor(one.keypoint_scores[0]), torch.tensor(one.keypoints_hidden[0])], 1
    )
    torch.testing.assert_close(wanted, logits.sigmoid())
    assert one.bbox_scores[0] != one.keypoint_scores[0, 0]


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    cfg = Config.fromfile(TINY)
    cfg.model.head.type = 'DirectPoseScoreHead'
    cfg.model.head.keypoint_branch.type = 'ScoredKPAlign'
    model = init_model(cfg, device='cpu')
    torch.nn.init.normal_(model.head.conv_cls.weight, std=0.1)
    for part in (*model.head.keypoint_branch.predictors, *model.head.keypoint_branch.scorers):
        torch.nn.init.normal_(part.bias, std=2.0)
    return model


@pytest.fixture(scope='module')
def files(model, tmp_path_factory):
    """The exported files without and with NMS."""
    folder = tmp_path_factory.mktemp('scores')
    paths = folder / 'outside.onnx', folder / 'inside.onnx'
    for with_nms, path in enumerate(paths):
        export_onnx(model, path, ShortSideResize(124, 1000), bool(with_nms))
    return paths


@pytest.mark.parametrize('with_nms', [True, False])
def test_the_exported_file_has_the_scores(model, files, with_nms):
    picture = make_picture(186, 124)
    path = files[with_nms]
    verify_onnx(model, path, picture)
    expected = inference_bottomup(model, picture)[0].pred_instances
    found = DirectPose(path)(picture)
    assert len(found.scores) > 5
    torch.testing.assert_close(found.keypoint_scores, expected.keypoint_scores, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.keypoints_hidden, expected.keypoints_hidden, rtol=0, atol=1e-4)


def test_a_batch_gives_what_single_pictures_give(files):
    """Three pictures: what is 2 while tracing must not become a constant."""
    run = DirectPose(files[True], score_thr=0)
    pictures = [make_picture(186, 124, seed) for seed in range(3)]
    for found, picture in zip(run.predict(pictures, batch_size=3), pictures):
        for got, expected in zip(found, run(picture)):
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    'parameter, what',
    [('weight', 'the scores of'), ('bias', 'poses decoded from the same maps of')],
)
def test_other_scores_in_a_file_are_found(model, files, parameter, what):
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.head.keypoint_branch.scorers[2].get_parameter(parameter).add_(0.01)
    with pytest.raises(ValueError, match=f'{what} .* differ by'):
        verify_onnx(other, files[True], make_picture(186, 124))


def test_mirrored_poses_swap_left_and_right(model):
    view = inference_bottomup(model, make_picture(186, 124))[0]
    indices = model.dataset_meta['flip_indices']
    view.set_metainfo(dict(flip=True, flip_direction='horizontal', flip_indices=indices))
    upright = upright_poses(view)
    swapped = view.pred_instances.keypoints_hidden[:, indices]
    assert (upright.keypoints_hidden == swapped).all()
    assert (swapped != view.pred_instances.keypoints_hidden).any()
