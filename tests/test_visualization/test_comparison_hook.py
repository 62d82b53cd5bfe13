from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine import Config
from mmengine.runner import Runner

from directpose.visualization import PoseComparisonHook
from tests.coco_files import person, write_coco
from tests.oracle import Oracle

CONFIG = Path(__file__).parents[2] / 'configs/_base_/datasets/coco_keypoints_320.py'
SIZE = (160, 120)
KEYPOINTS = {i: (20 + 7 * i, 30 + 9 * (i % 7)) for i in range(17)}


@pytest.fixture
def data_root(tmp_path):
    """Image 1 has a person, image 2 nobody."""
    write_coco(tmp_path, [person(KEYPOINTS)], num_images=2, size=SIZE, part='val2017')
    return tmp_path


def make_runner(data_root, score, batch_size=1, **hook):
    cfg = Config.fromfile(CONFIG)
    loader = cfg.val_dataloader
    loader.dataset.data_root = str(data_root)
    loader.update(num_workers=0, persistent_workers=False, batch_size=batch_size)
    return Runner(
        model=Oracle(score),
        work_dir=str(data_root / 'work_dir'),
        val_dataloader=loader,
        val_evaluator=cfg.val_evaluator,
        val_cfg=dict(),
        test_dataloader=loader,
        test_evaluator=cfg.test_evaluator,
        test_cfg=dict(),
        default_hooks=dict(visualization=dict(type='PoseComparisonHook', **hook)),
        visualizer=dict(type='DirectPoseVisualizer', vis_backends=[dict(type='LocalVisBackend')]),
        default_scope='mmpose',
        experiment_name=f'comparison_{data_root.name}',
        log_level='WARNING',
    )


def halves(path):
    """Left (ground truth) and right (prediction) half of a picture."""
    picture = cv2.imread(str(path)).astype(int)
    assert picture.shape == (SIZE[1], 2 * SIZE[0], 3)
    return picture[:, : SIZE[0]], picture[:, SIZE[0] :]


def differs(half, image):
    """Whether something is drawn, beyond what JPEG changes."""
    return np.abs(half - image).max(axis=-1) > 60


def test_prediction_stands_beside_ground_truth(data_root):
    out = data_root / 'pictures'
    make_runner(data_root, score=0.9, enable=True, out_dir=str(out)).test()

    assert sorted(path.name for path in out.iterdir()) == [
        '000000000001.jpg', '000000000002.jpg',
    ]  # fmt: skip
    image = cv2.imread(str(data_root / 'val2017' / '000000000001.jpg')).astype(int)
    for half in halves(out / '000000000001.jpg'):
        drawn = differs(half, image)
        for x, y in KEYPOINTS.values():
            assert drawn[y - 3 : y + 4, x - 3 : x + 4].any()
    image = cv2.imread(str(data_root / 'val2017' / '000000000002.jpg')).astype(int)
    for half in halves(out / '000000000002.jpg'):
        assert not differs(half, image).any()


def test_people_below_the_threshold_are_not_drawn(data_root):
    out = data_root / 'pictures'
    make_runner(data_root, score=0.1, enable=True, score_thr=0.2, out_dir=str(out)).test()
    image = cv2.imread(str(data_root / 'val2017' / '000000000001.jpg')).astype(int)
    truth, prediction = halves(out / '000000000001.jpg')
    assert differs(truth, image).any()
    assert not differs(prediction, image).any()


def test_out_dir_is_taken_as_it_stands(data_root, monkeypatch):
    """MMPose's hook puts a relative one under itself, again for every batch."""
    monkeypatch.chdir(data_root)
    make_runner(data_root, score=0.9, enable=True, out_dir='pictures').test()
    assert len(list((data_root / 'pictures').glob('*.jpg'))) == 2


def test_images_of_one_name_do_not_replace_each_other(data_root):
    runner = make_runner(data_root, score=0.9, batch_size=2, enable=True, out_dir='drawn')
    hook = next(h for h in runner.hooks if isinstance(h, PoseComparisonHook))
    paths = {7: 'a/1.jpg', 8: 'b/1.jpg', 9: 'a/1.png', 10: 'a/2.jfif'}
    samples = [type('Sample', (), dict(img_path=path, img_id=i)) for i, path in paths.items()]
    assert [hook._file(sample) for sample in samples] == [
        'drawn/1.jpg', 'drawn/1_8.jpg', 'drawn/1_9.jpg', 'drawn/2.jpg',
    ]  # fmt: skip


def test_validation_draws_the_first_image_at_its_interval(data_root):
    runner = make_runner(data_root, score=0.9, enable=True, interval=2)
    runner.val()
    pictures = list((data_root / 'work_dir').rglob('*.png'))
    assert len(pictures) == 1  # of two iterations
    assert halves(pictures[0])


def test_validations_draw_into_a_folder_each(data_root):
    """As tools/train.py --show-dir wants it: none writes over the pictures of another."""
    out = data_root / 'pictures'
    runner = make_runner(data_root, score=0.9, enable=True, interval=1, out_dir=str(out))
    runner.val()
    hook = next(h for h in runner.hooks if isinstance(h, PoseComparisonHook))
    names = ['000000000001.jpg', '000000000002.jpg']
    assert sorted(path.name for path in (out / 'iter_0').iterdir()) == names
    assert halves(out / 'iter_0' / names[0])
    assert not list((data_root / 'work_dir').rglob('*.png'))
    sample = type('Sample', (), dict(img_path=f'val2017/{names[0]}', img_id=1))
    assert hook._file(sample, 'iter_5') == str(out / 'iter_5' / names[0])


def test_nothing_is_drawn_unless_enabled(data_root):
    runner = make_runner(data_root, score=0.9, out_dir=str(data_root / 'pictures'))
    runner.val()
    runner.test()
    assert not (data_root / 'pictures').exists()
    assert not list((data_root / 'work_dir').rglob('*.png'))
