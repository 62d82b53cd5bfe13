"""Parts of mmdet's and mmpose's zoos in this model, and this model in recipes of the zoos.

The configs are files as docs/en/mixing.md tells to write them.
"""

import re
import shutil
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.config.utils import ConfigParsingError
from mmengine.dataset import Compose
from mmengine.hub import get_config
from mmengine.runner import EpochBasedTrainLoop, Runner

from directpose.cli.config_data import set_data_root
from tests.steps import build_model, make_batch, train_a_step, without_downloads

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / 'docs/en/mixing.md').read_text()
EXAMPLES = {
    name: text
    for text, name in re.findall(r'```python\n(# configs/(\S+)\n_base_.*?)```', GUIDE, re.DOTALL)
}
SIZE = 128  # of the pictures; NAS-FPN needs a multiple of 128

BACKBONE = """\
_base_ = './directpose_r50-aa_fpn_8xb4-180k_coco.py'

from mmengine.hub import get_config

zoo = get_config('{zoo}').model
model = dict(
    data_preprocessor=dict(
        mean=zoo.data_preprocessor.mean,
        std=zoo.data_preprocessor.std,
        bgr_to_rgb=zoo.data_preprocessor.bgr_to_rgb),
    backbone=dict(zoo.backbone, {changes} _delete_=True, _scope_='{scope}'),
    neck=dict({neck}))
del zoo
"""
TOP_DOWN = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_'
# zoo config, changes of the backbone, the neck
BACKBONES = [
    (
        'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
        '',
        'in_channels=[256, 512, 1024, 2048], start_level=1',
    ),
    (
        'mmdet::retinanet/retinanet_x101-32x4d_fpn_1x_coco.py',
        '',
        'in_channels=[256, 512, 1024, 2048], start_level=1',
    ),
    (
        'mmdet::res2net/faster-rcnn_res2net-101_fpn_2x_coco.py',
        '',
        'in_channels=[256, 512, 1024, 2048], start_level=1',
    ),
    (
        'mmdet::regnet/retinanet_regnetx-800MF_fpn_1x_coco.py',
        '',
        'in_channels=[64, 128, 288, 672], start_level=1',
    ),
    (
        'mmdet::hrnet/fcos_hrnetv2p-w18-gn-head_4xb4-1x_coco.py',
        '',
        "zoo.neck, _delete_=True, _scope_='mmdet'",
    ),
    ('mmdet::swin/retinanet_swin-t-p4-w7_fpn_1x_coco.py', '', 'in_channels=[192, 384, 768]'),
    (
        'mmdet::pvt/retinanet_pvtv2-b0_fpn_1x_coco.py',
        '',
        'in_channels=[32, 64, 160, 256], start_level=1',
    ),
    ('mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py', '', 'in_channels=[96, 192, 384]'),
    (
        TOP_DOWN + 'seresnet50_8xb64-210e_coco-256x192.py',
        'out_indices=(1, 2, 3),',
        'in_channels=[512, 1024, 2048]',
    ),
    (
        TOP_DOWN + 'shufflenetv2_8xb64-210e_coco-256x192.py',
        'out_indices=(0, 1, 3),',
        'in_channels=[116, 232, 1024]',
    ),
]

NECK = """\
_base_ = './directpose_r50-aa_fpn_8xb4-180k_coco.py'

from mmengine.hub import get_config

zoo = get_config('{zoo}').model
model = dict(
    neck=dict(
        zoo.neck, in_channels=[512, 1024, 2048], {changes} _delete_=True, _scope_='mmdet'),
    head=dict({head}))
del zoo
"""
THREE_LEVELS = 'strides=(8, 16, 32), regress_ranges=((-1, 64), (64, 128), (128, 1e8))'
# zoo config, changes of the neck, the head
NECKS = [
    ('mmdet::pafpn/faster-rcnn_r50_pafpn_1x_coco.py', "add_extra_convs='on_output',", ''),
    ('mmdet::nas_fpn/retinanet_r50_nasfpn_crop640-50e_coco.py', 'start_level=0,', ''),
    (
        'mmdet::fpg/retinanet_r50_fpg-chn128_crop640_50e_coco.py',
        'start_level=0,',
        'in_channels=128',
    ),
    ('mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py', '', f'in_channels=96, {THREE_LEVELS}'),
    ('mmdet::yolox/yolox_tiny_8xb8-300e_coco.py', '', f'in_channels=96, {THREE_LEVELS}'),
]


def names(rows):
    """The tests' names: the zoo configs'."""
    return [Path(zoo).stem for zoo, *_ in rows]


@pytest.fixture(scope='module')
def configs(tmp_path_factory):
    """A copy of the configs, to write others beside them."""
    return shutil.copytree(ROOT / 'configs', tmp_path_factory.mktemp('mixing') / 'configs')


@pytest.fixture
def load(configs):
    """Write a config file and read it."""

    def write_and_read(text, name='directpose/mixed.py'):
        (configs / name).write_text(text)
        return Config.fromfile(configs / name)

    return write_and_read


def assert_is_of_zoo(module, part, zoo_part, scope):
    """See that a part of the model is the zoo's: its class, and what its config says."""
    assert type(module).__module__.startswith(f'{scope}.models.')
    assert type(module).__name__ == zoo_part.type
    assert {key for key in zoo_part if part.get(key) != zoo_part[key]} <= {
        'init_cfg',
        'in_channels',
        'out_indices',
        'start_level',
        'add_extra_convs',
    }


@pytest.mark.parametrize('zoo,changes,neck', BACKBONES, ids=names(BACKBONES))
def test_backbone(load, zoo, changes, neck):
    scope = zoo.partition('::')[0]
    cfg = load(BACKBONE.format(zoo=zoo, changes=changes, neck=neck, scope=scope))
    model = build_model(cfg)
    assert_is_of_zoo(model.backbone, cfg.model.backbone, get_config(zoo).model.backbone, scope)
    train_a_step(model, make_batch(model, SIZE))


@pytest.mark.parametrize('zoo,changes,head', NECKS, ids=names(NECKS))
def test_neck(load, zoo, changes, head):
    cfg = load(NECK.format(zoo=zoo, changes=changes, head=head))
    model = build_model(cfg)
    assert_is_of_zoo(model.neck, cfg.model.neck, get_config(zoo).model.neck, 'mmdet')
    train_a_step(model, make_batch(model, SIZE))


def test_neck_of_other_levels_is_refused(load):
    model = build_model(load(NECK.format(zoo=NECKS[-1][0], changes='', head='in_channels=96')))
    with pytest.raises(ValueError, match='the neck gives 3 levels.*`strides`'):
        train_a_step(model, make_batch(model, SIZE))


@pytest.mark.parametrize('name', EXAMPLES)
def test_example_of_the_guide(load, name):
    model = build_model(load(EXAMPLES[name], name))
    train_a_step(model, make_batch(model, SIZE))


def test_the_guide_lists_what_is_tested():
    listed = re.findall(r'^\|.*`(mm(?:det|pose)::\S+)`', GUIDE, re.MULTILINE)
    assert sorted(listed) == sorted(zoo for zoo, *_ in BACKBONES + NECKS)


def train(cfg, tmp_path):
    """Train on the CPU, validate, and give the Runner back."""
    cfg.work_dir = str(tmp_path)
    without_downloads(cfg.model)
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].update(num_workers=0, persistent_workers=False)
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert isinstance(runner.train_loop, EpochBasedTrainLoop)
    assert 0 <= runner.message_hub.get_scalar('val/coco/AP').current() <= 1
    return runner


def test_run_time_and_schedule_of_the_zoo(load, synthetic_coco, tmp_path):
    name = 'directpose/directpose_r18-aa-tiny_fpn_1xb8-1x_synthetic.py'
    cfg = load(EXAMPLES[name], name)
    set_data_root(cfg, str(synthetic_coco))
    cfg.merge_from_dict(dict(train_cfg=dict(max_epochs=2, val_interval=2)))
    cfg.train_dataloader.batch_size = 2
    cfg.default_hooks.checkpoint.interval = 2
    runner = train(cfg, tmp_path)
    assert runner.iter == 6
    assert (tmp_path / 'epoch_2.pth').is_file()
    # the zoo's schedule: warmed up from a thousandth over 500 steps
    assert runner.optim_wrapper.get_lr()['lr'][0] == pytest.approx(0.02 * (0.001 + 0.999 * 6 / 499))


@pytest.mark.slow
def test_whole_recipe_of_the_zoo(load, synthetic_coco, tmp_path):
    name = 'directpose/directpose_r50-aa_fpn_8xb32-600e-rtmo_coco-640x640.py'
    cfg = load(EXAMPLES[name].replace('r50-aa_fpn.py', 'r18-aa-tiny_fpn.py'), name)
    (tmp_path / 'coco').symlink_to(synthetic_coco)
    set_data_root(cfg, str(tmp_path))
    cfg.train_dataloader.batch_size = 2
    cfg.train_dataloader.dataset.indices = 2
    # the first epoch with mosaics and mix-up, the second without
    cfg.train_cfg.update(max_epochs=2, val_interval=2, dynamic_intervals=None)
    cfg.custom_hooks[0].num_last_epochs = 0
    runner = train(cfg, tmp_path / 'run')
    assert runner.iter == 2
    kinds = [type(t).__name__ for t in runner.train_dataloader.dataset.pipeline.transforms]
    assert 'BottomupRandomAffine' in kinds and 'YOLOXMixUp' not in kinds


class TestBrokenInTheZoo:
    """When one of these fails, MMPose has mended it: take it out of the guide."""

    def test_yoloxpose_tiny(self):
        cfg = get_config(
            'mmpose::body_2d_keypoint/yoloxpose/coco/yoloxpose_tiny_4xb64-300e_coco-416.py'
        )
        with pytest.raises(TypeError, match='extra_mapping_labels'):
            Compose(cfg.train_dataloader.dataset.pipeline)

    def test_edpose(self):
        with pytest.raises(ConfigParsingError, match='not found'):
            get_config(
                'mmpose::body_2d_keypoint/edpose/coco/edpose_res50_8xb2-50e_coco-800x1333.py'
            )
