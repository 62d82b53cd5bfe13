"""Misspelt settings are refused with the nearest right one; sound configs pass."""

import re

import pytest
from mmengine.config import Config

from directpose.cli.config import load_config
from directpose.errors import UserError
from tests.conftest import ROOT

CONFIGS = sorted({*ROOT.glob('configs/*/*.py')} - {*ROOT.glob('configs/_base_/*.py')})
TINY = 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py'


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_every_config_passes(path):
    load_config(str(path))


@pytest.mark.parametrize(
    ('option', 'nearest'),
    [
        ('train_cgf.max_iters', 'train_cfg'),
        ('train_cfg.max_itrs', 'max_iters'),
        ('model.test_cfg.score_threshold', 'score_thr'),
        ('default_hooks.checkpoint.intervall', 'interval'),
        ('default_hooks.chekpoint.interval', 'checkpoint'),
        ('model.head.stacked_conv', 'stacked_convs'),
        ('model.backbone.dephts', 'depth'),
        ('train_dataloader.batchsize', 'batch_size'),
        ('train_dataloader.dataset.filter_cgf', 'filter_cfg'),
        ('optim_wrapper.clip_gard', 'clip_grad'),
        ('test_evaluator.score_mod', 'score_mode'),
        ('resum', 'resume'),
        ('model.head.keypoint_brnch.type', 'keypoint_branch'),
        ('val_dataloader.colate_fn.type', 'collate_fn'),
    ],
)
def test_a_misspelt_option_is_refused_with_the_nearest(option, nearest):
    with pytest.raises(UserError, match=f'did you mean {nearest}') as error:
        load_config(TINY, {option: 1})
    assert option.rsplit('.', 1)[0] in str(error.value)


@pytest.mark.parametrize(
    'option',
    [
        'train_cfg.max_iters',
        'model.test_cfg.nms_pre',
        'model.head.center_sample_radius',
        'default_hooks.checkpoint.out_dir',
        'train_dataloader.drop_last',
        'train_dataloader.dataset.pipeline.2.max_long_side',
        'train_dataloader.dataset.filter_cfg.keep_negatives',
        'randomness',
        'find_unused_parameters',
        'test_evaluator.outfile_prefix',
        'optim_wrapper.accumulative_counts',
    ],
)
def test_what_is_not_in_the_config_but_is_read_may_be_set(option):
    load_config(TINY, {option: 1})


@pytest.mark.parametrize(
    ('option', 'value'),
    [
        ('model.head.assigner.type', 'SimOTAAssigner'),
        ('train_dataloader.collate_fn.type', 'pseudo_collate'),
        ('optim_wrapper.paramwise_cfg.custom_keys', {}),
        ('model.test_cfg.nms.type', 'nms'),
    ],
)
def test_a_part_that_the_config_lacks_may_be_set_where_something_reads_it(option, value):
    *parents, last = option.split('.')
    head = {'model.head.type': 'DirectPoseOKSHead'}
    node = load_config(TINY, {**head, option: value} if 'head' in parents else {option: value})
    for name in parents:
        node = node[name]
    assert node[last] == value


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('model', 'the config has a dict there; set a part of it, as model.NAME=5'),
        ('model.head', 'the config has a dict there'),
        ('train_dataloader.dataset.pipeline.0', 'the config has a dict there'),
        (
            'train_dataloader.dataset.pipeline.99.type',
            r'dataset.pipeline is a list of \d+ elements',
        ),
        ('train_dataloader.dataset.pipeline.-1.type', 'number from 0'),
        ('train_dataloader.dataset.pipeline.x', 'number from 0'),
    ],
)
def test_an_option_that_does_not_fit_the_config_is_refused(option, message):
    with pytest.raises(UserError, match=message):
        load_config(TINY, {option: 5})


@pytest.mark.parametrize('name', ['flip_test', 'multiscale_test'])
def test_averages_of_heatmaps_are_refused_with_what_to_do_instead(name):
    with pytest.raises(UserError, match=f'model.test_cfg.{name} averages heatmaps.* --tta'):
        load_config(TINY, {f'model.test_cfg.{name}': True})
    load_config(TINY, {f'model.test_cfg.{name}': False})  # as MMPose's configs say it


def test_a_misspelt_name_in_the_file_is_refused(tmp_path):
    config = tmp_path / 'mine.py'
    start = f"_base_ = '{ROOT / TINY}'\n"
    for line, message in (
        ('val_evalutor = dict(type="CocoMetric")', 'did you mean val_evaluator'),
        (
            'train_cfg = dict(val_intervals=5)',
            r'train_cfg.val_intervals; did you mean val_interval',
        ),
    ):
        config.write_text(start + line)
        if 'evalutor' in line:  # the base sets the right one, which the misspelt one was to replace
            text = Config.fromfile(TINY).pretty_text
            config.write_text(re.sub('^val_evaluator', 'val_evalutor', text, flags=re.MULTILINE))
        with pytest.raises(UserError, match=message):
            load_config(str(config))
    config.write_text(start + "optim_wrapper = dict(optimizer=dict(type='Adma'))")
    with pytest.raises(UserError, match=r'optim_wrapper.optimizer.type: there is no Adma; did you'):
        load_config(str(config))
    config.write_text(start + 'my_own_value = 5\nnorm_cfg = dict(type="BN", requires_grad=True)')
    load_config(str(config))


def test_arguments_are_those_of_the_class_of_the_scope(tmp_path):
    """MMPose has a ResNet too, without deformable convolutions."""
    config = tmp_path / 'mine.py'
    backbone = (
        "type='ResNet', _scope_='mmdet', depth=18, "
        "dcn=dict(type='DCNv2', deform_groups=1, fallback_on_stride=False)"
    )
    for stages in ('stage_with_dcn', 'stage_with_dcm'):
        config.write_text(
            f"_base_ = '{ROOT / TINY}'\n"
            f'model = dict(backbone=dict(_delete_=True, {backbone}, {stages}=(False,) * 4))\n'
        )
        if stages == 'stage_with_dcn':
            load_config(str(config))
    with pytest.raises(UserError, match='backbone.stage_with_dcm; did you mean stage_with_dcn'):
        load_config(str(config))
