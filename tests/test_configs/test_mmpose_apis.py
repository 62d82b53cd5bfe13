"""mmpose's inference APIs on a config of ours find what a test run finds."""

import json
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.runner import Runner
from mmpose.apis import MMPoseInferencer, inference_bottomup, init_model

from directpose.cli.config import dump_predictions, load_config
from directpose.cli.config_data import set_data_root

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py')
SCORE_THR = 0.0  # the config's


def randomize(model):
    """Weights with which it sees people everywhere, and others in other pictures."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    torch.nn.init.constant_(model.head.conv_cls.bias, -1.0)


@pytest.fixture(scope='module')
def tested(synthetic_coco, tmp_path_factory):
    """A checkpoint and the poses (path to instances) that a test run dumps with it."""
    folder = tmp_path_factory.mktemp('mmpose_apis')
    cfg = load_config(CONFIG, work_dir=str(folder))
    set_data_root(cfg, str(synthetic_coco))
    dump_predictions(cfg, str(folder / 'poses.json'))
    runner = Runner.from_cfg(cfg)
    randomize(runner.model)
    runner.save_checkpoint(
        str(folder), 'random.pth', save_optimizer=False, save_param_scheduler=False, by_epoch=False
    )
    runner.test()
    poses = {}
    for image in json.loads((folder / 'poses.json').read_text()):
        people = image['people']
        scores = np.array([person['score'] for person in people])
        poses[image['img_path']] = dict(
            keypoints=np.array([person['keypoints'] for person in people]),
            keypoint_scores=np.repeat(scores[:, None], 17, axis=1),
            bboxes=np.array([person['box'] for person in people]),
            bbox_scores=scores,
        )
    assert len(poses) == 4
    assert all(len(p['keypoints']) > 10 for p in poses.values())
    return str(folder / 'random.pth'), poses


@pytest.fixture(scope='module')
def inferencer(tested):
    return MMPoseInferencer(CONFIG, tested[0], device='cpu')


@pytest.fixture(scope='module')
def model(tested):
    return init_model(CONFIG, tested[0], device='cpu')


def assert_same_poses(found, expected):
    """In pixels of the original picture."""
    for key in ('keypoints', 'keypoint_scores', 'bboxes', 'bbox_scores'):
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-4, atol=1e-3, err_msg=key)


@pytest.mark.parametrize('read', [str, mmcv.imread], ids=['paths', 'arrays'])
def test_inferencer(inferencer, tested, read):
    _, poses = tested
    results = list(
        inferencer(
            [read(path) for path in poses],
            batch_size=3,
            bbox_thr=SCORE_THR,
            return_datasamples=True,
        )
    )
    assert len(results) == len(poses)
    for result, expected in zip(results, poses.values()):
        (sample,) = result['predictions']
        assert_same_poses(sample.pred_instances, expected)


def test_inferencer_draws_and_writes(inferencer, tested, tmp_path):
    path, expected = next(iter(tested[1].items()))
    (result,) = inferencer(
        path, bbox_thr=SCORE_THR, kpt_thr=0, out_dir=str(tmp_path), return_vis=True
    )
    image = mmcv.imread(path, channel_order='rgb')
    (drawn,) = result['visualization']
    assert drawn.shape == image.shape and (drawn != image).any()
    assert (tmp_path / 'visualizations' / Path(path).name).is_file()
    people = json.loads((tmp_path / f'predictions/{Path(path).stem}.json').read_text())
    np.testing.assert_allclose(
        [person['keypoints'] for person in people], expected['keypoints'], rtol=1e-4, atol=1e-3
    )


def test_thresholds_of_the_inferencer(inferencer, tested):
    """0.3 unless given, in place of the config's score_thr; the NMS stays the config's."""
    checkpoint, poses = tested
    path = next(iter(poses))
    model = init_model(
        CONFIG, checkpoint, device='cpu', cfg_options={'model.test_cfg.score_thr': 0.3}
    )
    expected = inference_bottomup(model, path)[0].pred_instances
    assert 0 < len(expected) < len(poses[path]['keypoints'])
    for options in (dict(), dict(nms_thr=0.9)):
        (result,) = inferencer(path, return_datasamples=True, **options)
        assert_same_poses(result['predictions'][0].pred_instances, expected)


def test_nobody_is_found(inferencer, model, tmp_path):
    grey = np.full((100, 180, 3), 128, np.uint8)
    (result,) = inferencer(
        grey, bbox_thr=1.0, draw_bbox=True, return_vis=True, out_dir=str(tmp_path)
    )
    assert result['predictions'] == [[]]
    np.testing.assert_array_equal(result['visualization'], grey[None])
    (written,) = (tmp_path / 'predictions').iterdir()
    assert json.loads(written.read_text()) == []

    model.test_cfg['score_thr'], score_thr = 1.0, model.test_cfg['score_thr']
    (sample,) = inference_bottomup(model, grey)
    model.test_cfg['score_thr'] = score_thr
    assert sample.pred_instances.keypoints.shape == (0, 17, 2)
    assert sample.pred_instances.bboxes.shape == (0, 4)


@pytest.mark.parametrize('read', [str, mmcv.imread], ids=['path', 'array'])
def test_inference_bottomup(model, tested, read):
    for path, expected in tested[1].items():
        (sample,) = inference_bottomup(model, read(path))
        assert_same_poses(sample.pred_instances, expected)


def test_pictures_of_a_size_in_a_batch(model, tested):
    """Without padding between them, pictures do not influence each other."""
    path, expected = next(iter(tested[1].items()))
    pipeline = Compose(model.cfg.test_dataloader.dataset.pipeline)
    image = mmcv.imread(path)
    batch = pseudo_collate(
        [pipeline(dict(img=img, **model.dataset_meta)) for img in (image[::-1].copy(), image)]
    )
    with torch.no_grad():
        turned, upright = model.test_step(batch)
    assert_same_poses(upright.pred_instances, expected)
    assert_same_poses(
        turned.pred_instances, inference_bottomup(model, image[::-1].copy())[0].pred_instances
    )
