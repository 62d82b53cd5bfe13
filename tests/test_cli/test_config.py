"""What the options of the command lines do to a config."""

import pytest
from mmengine.config import Config
from mmpose.evaluation import MultiDatasetEvaluator

from directpose.cli import config, config_data
from directpose.datasets import BottomupCocoDataset
from directpose.errors import UserError
from directpose.metainfo import read_metainfo
from tests.conftest import ROOT


@pytest.fixture
def cfg():
    return Config(
        dict(
            model=dict(type='BottomupPoseEstimator', use_syncbn=True),
            train_dataloader=dict(
                batch_size=4,
                dataset=dict(
                    type='CombinedDataset',
                    datasets=[
                        dict(
                            type='CocoDataset',
                            data_root='data/coco/',
                            ann_file='a/train.json',
                            data_prefix=dict(img='train/'),
                        ),
                        dict(
                            type='RepeatDataset',
                            times=2,
                            dataset=dict(
                                type='CocoDataset',
                                data_root='data/coco/',
                                ann_file='a/more.json',
                                data_prefix=dict(img='more/'),
                            ),
                        ),
                    ],
                ),
            ),
            test_dataloader=dict(
                dataset=dict(
                    type='CocoDataset',
                    data_root='data/coco/',
                    ann_file='a/val.json',
                    data_prefix=dict(img='val/'),
                )
            ),
            test_evaluator=dict(type='CocoMetric', ann_file='data/coco/a/val.json'),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
            auto_scale_lr=dict(enable=False, base_batch_size=32),
            default_hooks=dict(visualization=dict(type='PoseComparisonHook', enable=False)),
        )
    )


@pytest.mark.parametrize(
    'total, world_size, batch_size, accumulate',
    [
        (32, 8, 4, 1),  # the paper's
        (32, 4, 4, 2),
        (32, 2, 4, 4),
        (32, 1, 4, 8),
        (32, 16, 2, 1),  # a smaller share than a process could take
        (24, 4, 3, 2),  # 6 images as 2 x 3, because 4 does not divide 6
        (14, 2, 1, 7),
        (8, 8, 1, 1),
    ],
)
def test_total_batch_size(cfg, total, world_size, batch_size, accumulate):
    config.set_total_batch_size(cfg, total, world_size)
    assert cfg.train_dataloader.batch_size == batch_size
    assert cfg.optim_wrapper.accumulative_counts == accumulate
    assert batch_size * accumulate * world_size == total
    assert batch_size <= 4


@pytest.mark.parametrize('total, world_size', [(32, 3), (4, 8), (0, 1), (-8, 8)])
def test_total_batch_size_that_does_not_divide(cfg, total, world_size):
    with pytest.raises(UserError, match=f'multiple of {world_size}'):
        config.set_total_batch_size(cfg, total, world_size)


def test_auto_scale_lr_counts_accumulated_batches(cfg):
    """MMEngine multiplies by batch_size * processes / base_batch_size."""
    config.set_total_batch_size(cfg, 64, 2)
    config.enable_auto_scale_lr(cfg)
    assert cfg.auto_scale_lr.enable
    assert cfg.train_dataloader.batch_size * 2 / cfg.auto_scale_lr.base_batch_size == 64 / 32


def test_auto_scale_lr_without_base(cfg):
    cfg.auto_scale_lr = dict(enable=False)
    with pytest.raises(UserError, match='base_batch_size'):
        config.enable_auto_scale_lr(cfg)


def test_data_root_of_all_datasets(cfg):
    config_data.set_data_root(cfg, '/new')
    datasets = cfg.train_dataloader.dataset.datasets
    assert datasets[0].data_root == datasets[1].dataset.data_root == '/new'
    assert cfg.test_dataloader.dataset.data_root == '/new'
    assert cfg.test_evaluator.ann_file == '/new/a/val.json'


def test_annotations_of_metrics_move_that_an_evaluator_holds(cfg):
    cfg.test_evaluator = dict(
        type='MultiDatasetEvaluator',
        metrics=[
            dict(type='CocoMetric', ann_file='data/coco/a/val.json'),
            dict(type='CocoMetric', ann_file='data/coco/a/more.json'),
        ],
        datasets=[dict(type='CocoDataset'), dict(type='CocoDataset')],
    )
    config_data.set_data_root(cfg, '/new')
    files = [metric.ann_file for metric in cfg.test_evaluator.metrics]
    assert files == ['/new/a/val.json', '/new/a/more.json']


def test_annotations_of_a_metric_that_lie_elsewhere_stay(cfg):
    cfg.test_evaluator = [dict(type='CocoMetric', ann_file='data/coco_other/a/val.json')]
    config_data.set_data_root(cfg, '/new')
    assert cfg.test_evaluator[0].ann_file == 'data/coco_other/a/val.json'


def test_a_folder_for_a_config_that_names_none_is_refused(cfg):
    del cfg.test_dataloader.dataset.data_root
    with pytest.raises(UserError, match='--data-root /new: no data set .* has a data_root'):
        config_data.set_data_root(cfg, '/new', ('test',))


def test_one_folder_for_data_of_several_is_refused(cfg):
    cfg.train_dataloader.dataset.datasets[0].data_root = 'data/crowdpose'
    with pytest.raises(UserError) as raised:
        config_data.set_data_root(cfg, '/new')
    told = str(raised.value)
    assert '--data-root data/coco=FOLDER' in told and '--data-root data/crowdpose=FOLDER' in told
    config_data.set_data_root(cfg, ['data/crowdpose/=/a', 'data/coco=/b'])
    datasets = cfg.train_dataloader.dataset.datasets
    assert datasets[0].data_root == '/a'
    assert datasets[1].dataset.data_root == '/b'
    assert cfg.test_dataloader.dataset.data_root == '/b'
    assert cfg.test_evaluator.ann_file == '/b/a/val.json'


def test_one_of_several_folders_moves(cfg):
    cfg.train_dataloader.dataset.datasets[0].data_root = 'data/crowdpose'
    config_data.set_data_root(cfg, ['data/crowdpose=/a'])
    datasets = cfg.train_dataloader.dataset.datasets
    assert datasets[0].data_root == '/a'
    assert datasets[1].dataset.data_root == 'data/coco/'


def test_data_root_of_the_test_alone(cfg):
    """Several folders of training data do not matter to a test."""
    cfg.train_dataloader.dataset.datasets[0].data_root = 'data/crowdpose'
    config_data.set_data_root(cfg, '/new', ('test',))
    datasets = cfg.train_dataloader.dataset.datasets
    assert datasets[0].data_root == 'data/crowdpose'
    assert datasets[1].dataset.data_root == 'data/coco/'
    assert cfg.test_dataloader.dataset.data_root == '/new'


def test_a_folder_whose_name_has_an_equals_sign(cfg):
    config_data.set_data_root(cfg, '/runs/a=b')
    assert cfg.test_dataloader.dataset.data_root == '/runs/a=b'


def test_check_data(cfg, tmp_path):
    config_data.set_data_root(cfg, str(tmp_path))
    (tmp_path / 'a').mkdir()
    (tmp_path / 'train').mkdir()
    missing = [
        (tmp_path / 'a/train.json', 'touch'),
        (tmp_path / 'a/more.json', 'touch'),
        (tmp_path / 'more', 'mkdir'),
    ]
    for path, make in missing:
        with pytest.raises(UserError, match='--data-root') as raised:
            config_data.check_data(cfg, ('train', 'val'))
        assert str(path) in str(raised.value)
        getattr(path, make)()
    config_data.check_data(cfg, ('train', 'val'))


def test_a_config_that_lacks_a_part_is_named(cfg):
    for name in ('train_dataloader', 'model'):
        cfg[name] = None
        with pytest.raises(UserError, match=f'the config has no {name}; name a config of'):
            config_data.check_data(cfg, ('train', 'val'))


def test_data_sets_that_an_evaluator_would_mix_up_are_refused(cfg):
    metric = dict(type='CocoMetric')
    own, other = dict(type='BottomupCocoDataset'), dict(type='OCHumanDataset')
    pack = dict(type='PackPoseInputs', meta_keys=('img_id',))
    cfg.val_dataloader = dict(dataset=dict(type='CombinedDataset', datasets=[], pipeline=[pack]))
    cfg.val_evaluator = dict(
        type='MultiDatasetEvaluator', metrics=[metric, metric], datasets=[own, own]
    )
    with pytest.raises(
        UserError, match=r"val_evaluator: .* same name in METAINFO, here \['coco'\]"
    ):
        config_data.check_data(cfg, ('val',))
    cfg.val_evaluator.datasets = [own, other]
    with pytest.raises(UserError, match='PackPoseInputs in val_dataloader must have dataset_name'):
        config_data.check_data(cfg, ('val',))
    pack['meta_keys'] = ('img_id', 'dataset_name')
    cfg.val_dataloader.dataset.pipeline = [pack]
    config_data.check_data(cfg, ('val',))
    renamed = dict(own, ann_file='', metainfo=dict(from_file='configs/_base_/datasets/aic.py'))
    cfg.val_dataloader.dataset.datasets = [dict(own, ann_file=''), renamed]
    with pytest.raises(UserError, match=r"would leave out the data sets \['aic'\]"):
        config_data.check_data(cfg, ('val',))
    cfg.val_evaluator.datasets = [own, dict(type='NoSuchDataset')]
    with pytest.raises(UserError, match="no data set of type='NoSuchDataset'"):
        config_data.check_data(cfg, ('val',))


@pytest.mark.parametrize(
    'kind', ['MultiDatasetEvaluator', 'mmpose.MultiDatasetEvaluator', MultiDatasetEvaluator]
)
def test_a_dump_of_several_data_sets_is_refused(cfg, kind):
    cfg.test_evaluator = dict(type=kind, metrics=[dict(type='CocoMetric')], datasets=[])
    with pytest.raises(UserError, match=r'--dump all.json: MultiDatasetEvaluator .* of its own'):
        config.dump_predictions(cfg, 'all.json')


def test_a_dump_joins_the_metrics_wherever_they_are(cfg):
    metric, dump = dict(type='CocoMetric'), dict(type='PoseDump', out_file='all.json')
    for evaluator in (metric, [metric], dict(metrics=metric), dict(type='Mine', metrics=[metric])):
        cfg.test_evaluator = evaluator
        config.dump_predictions(cfg, 'all.json')
        held = cfg.test_evaluator
        assert (held['metrics'] if 'metrics' in evaluator else held) == [metric, dump]
    assert held['type'] == 'Mine'


def test_views_are_made_by_the_outermost_pipeline(cfg):
    """In a CombinedDataset those of its data sets may be empty, or do something else before."""
    cfg.tta_model, cfg.tta_views = dict(type='PoseTTAModel'), dict(type='PoseTestTimeAug')
    steps, first = [dict(type='LoadImage'), dict(type='PackPoseInputs')], [dict(type='First')]
    inner = [
        dict(type='CocoDataset', ann_file='a.json', pipeline=[]),
        dict(type='CocoDataset', ann_file='b.json', pipeline=first),
        dict(type='CocoDataset', ann_file='c.json'),
    ]
    cfg.test_dataloader = dict(dataset=dict(type='CombinedDataset', datasets=inner, pipeline=steps))
    config.enable_tta(cfg)
    dataset = cfg.test_dataloader.dataset
    assert dataset.pipeline == [dict(type='PoseTestTimeAug', transforms=steps)]
    assert [one.get('pipeline') for one in dataset.datasets] == [[], first, None]

    each = [dict(type='CocoDataset', ann_file=name, pipeline=steps) for name in 'ab']
    cfg.test_dataloader = dict(dataset=dict(type='ConcatDataset', datasets=each))
    config.enable_tta(cfg)
    for one in cfg.test_dataloader.dataset.datasets:
        assert one.pipeline == [dict(type='PoseTestTimeAug', transforms=steps)]

    cfg.test_dataloader = dict(dataset=dict(type='ConcatDataset', datasets=[]))
    with pytest.raises(UserError, match='--tta needs a pipeline in test_dataloader.dataset'):
        config.enable_tta(cfg)


def test_fp16_on_the_cpu_is_refused(cfg, monkeypatch):
    monkeypatch.setattr(config, 'get_device', lambda: 'cpu')
    with pytest.raises(UserError, match='take --amp bf16'):
        config.enable_amp(cfg, 'fp16')


def test_fp16(cfg, monkeypatch):
    monkeypatch.setattr(config, 'get_device', lambda: 'cuda')
    config.enable_amp(cfg, 'fp16')
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    assert cfg.optim_wrapper.dtype == 'float16'
    assert cfg.optim_wrapper.loss_scale == 'dynamic'


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_bf16_on_any_device(cfg, device, monkeypatch):
    monkeypatch.setattr(config, 'get_device', lambda: device)
    config.enable_amp(cfg, 'bf16')
    assert cfg.optim_wrapper.type == 'Bf16OptimWrapper'


def test_tta(cfg):
    cfg.tta_model = dict(type='PoseTTAModel')
    cfg.tta_views = dict(type='PoseTestTimeAug', scales=(1, 2))
    cfg.test_dataloader.dataset.pipeline = pipeline = [dict(type='LoadImage')]
    config.enable_tta(cfg)
    assert cfg.model.type == 'PoseTTAModel'
    assert cfg.model.module.type == 'BottomupPoseEstimator'
    (views,) = cfg.test_dataloader.dataset.pipeline
    assert views == dict(type='PoseTestTimeAug', scales=(1, 2), transforms=pipeline)


def test_tta_that_the_config_lacks(cfg):
    with pytest.raises(UserError, match='`tta_model`'):
        config.enable_tta(cfg)


def test_drawing(cfg, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(UserError, match='this is a file; give a folder'):
        config.enable_drawing(cfg, str(tmp_path / 'file'))
    config.enable_drawing(cfg, str(tmp_path))
    assert cfg.default_hooks.visualization == dict(
        type='PoseComparisonHook', enable=True, interval=1, out_dir=str(tmp_path)
    )
    del cfg.default_hooks.visualization
    with pytest.raises(UserError, match='visualization'):
        config.enable_drawing(cfg, str(tmp_path))


def test_dump_beside_the_metrics(cfg):
    config.dump_predictions(cfg, 'out.json')
    assert [metric.type for metric in cfg.test_evaluator] == ['CocoMetric', 'PoseDump']
    config.dump_predictions(cfg, 'again.json')
    assert len(cfg.test_evaluator) == 3
    with pytest.raises(UserError, match=r'\.json'):
        config.dump_predictions(cfg, 'out.pkl')


class TestLoadConfig:
    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / 'tiny.py'
        path.write_text('a = dict(b=1)\n')
        return str(path)

    def test_options_and_work_dir(self, path):
        cfg = config.load_config(path, {'a.b': 2})
        assert cfg.a.b == 2
        assert cfg.work_dir == 'work_dirs/tiny'
        assert config.load_config(path, dict(work_dir='x')).work_dir == 'x'
        assert config.load_config(path, dict(work_dir='x'), 'y').work_dir == 'y'

    def test_without_workers_none_persist(self, path):
        """torch refuses persistent workers where there are none."""
        loader = dict(num_workers=2, persistent_workers=True)
        cfg = config.load_config(
            path, {'train_dataloader': loader, 'val_dataloader': dict(loader, num_workers=0)}
        )
        assert cfg.train_dataloader.persistent_workers
        assert not cfg.val_dataloader.persistent_workers

    def test_a_config_in_yaml_is_refused(self, tmp_path):
        """MMEngine's reader would run what such a file says."""
        path = tmp_path / 'evil.yaml'
        path.write_text(f'a: !!python/object/apply:pathlib.Path.touch [{tmp_path}/mark]\n')
        with pytest.raises(UserError, match=r'evil\.yaml.*\.py'):
            config.load_config(str(path))

    @pytest.mark.parametrize(
        'content, told',
        [
            ('a = 1\nb = c\n', 'line 2 raises NameError'),
            ('a = 1\nb = (\n', 'line 2 raises SyntaxError'),
            ('_base_ = ["gone.py"]\n', r'the file of its base \S+/gone\.py raises FileNotFound'),
            ('_base_ = ["base.py"]\n', r'line 3 of its base \S+/base\.py raises KeyError'),
            ('custom_imports = dict(imports=["gone"])\n', 'ModuleNotFoundError.*gone'),
            ('from mmengine.config import read_base\na = 1\nb = c\n', 'line 3 raises NameError'),
        ],
    )
    def test_an_error_in_the_file_names_file_and_line(self, tmp_path, content, told):
        (tmp_path / 'base.py').write_text('a = {}\n\nb = a["c"]\n')
        path = tmp_path / 'tiny.py'
        path.write_text(content)
        with pytest.raises(UserError, match=told) as raised:
            config.load_config(str(path))
        assert str(raised.value).startswith(f'{path}: ') and '\n' not in str(raised.value)

    def test_missing_file(self):
        with pytest.raises(UserError, match=r'gone\.py.*configs/directpose'):
            config.load_config('gone.py')


TINY = ROOT / 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py'
AP10K = dict(from_file='configs/_base_/datasets/ap10k.py')


def own_config(**changes):
    cfg = Config.fromfile(TINY)
    cfg.merge_from_dict(changes)
    return cfg


@pytest.mark.parametrize(
    'place, data, head',
    [
        ('train_dataloader.dataset.metainfo', 'ap10k', 'coco'),
        ('model.head.metainfo', 'coco', 'ap10k'),
    ],
)
def test_other_keypoints_in_the_data_than_in_the_model_are_refused(place, data, head):
    """AP-10K has 17 keypoints too, so their number says nothing."""
    message = (
        f'train_dataloader has the 17 keypoints of "{data}", but model.head the 17 of "{head}"'
    )
    with pytest.raises(UserError, match=message):
        config_data.check_keypoints(own_config(**{place: AP10K}), ('train',))


def test_the_first_keypoint_that_differs_is_named():
    cfg = own_config()
    metainfo = read_metainfo(cfg.model.head.metainfo)
    info = {k: dict(name=n, swap='') for k, n in enumerate(metainfo['keypoint_id2name'].values())}
    info[3], info[4] = info[4], info[3]
    own = dict(dataset_name='coco', keypoint_info=info, skeleton_info={}, joint_weights=[1.0] * 17)
    cfg.train_dataloader.dataset.metainfo = dict(own, sigmas=[])
    with pytest.raises(UserError, match=r'\(number 3 is right_ear and left_ear\)'):
        config_data.check_keypoints(cfg, ('train',))


def test_a_data_set_in_a_wrapper_is_compared_unless_its_keypoints_are_converted():
    cfg = own_config()
    inner = dict(cfg.train_dataloader.dataset, metainfo=AP10K)
    outer = dict(type='CombinedDataset', metainfo=cfg.model.head.metainfo, datasets=[inner])
    cfg.train_dataloader.dataset = outer
    with pytest.raises(UserError, match='of "ap10k", but model.head the 17 of "coco"'):
        config_data.check_keypoints(cfg, ('train',))
    converter = dict(type='KeypointConverter', num_keypoints=17, mapping=[(0, 1)])
    inner['pipeline'] = [*inner['pipeline'], converter]
    cfg.train_dataloader.dataset = dict(outer, datasets=[inner])
    config_data.check_keypoints(cfg, ('train',))


def test_the_type_of_a_data_set_may_be_a_class():
    cfg = own_config()
    dataset = dict(cfg.train_dataloader.dataset, type=BottomupCocoDataset)
    cfg = Config(dict(model=cfg.model, train_dataloader=dict(dataset=dataset)))
    config_data.check_keypoints(cfg, ('train',))


def test_a_data_set_without_keypoints_is_named():
    cfg = own_config(**{'train_dataloader.dataset.type': 'mmdet.CocoDataset'})
    with pytest.raises(UserError, match="type='mmdet.CocoDataset': this data set has no keypoints"):
        config_data.check_keypoints(cfg, ('train',))


def test_the_names_in_the_folder_are_told_where_a_file_or_folder_has_another(tmp_path):
    (tmp_path / 'annotations').mkdir()
    (tmp_path / 'images').mkdir()
    mine = tmp_path / 'annotations/person_keypoints_mine.json'
    mine.touch()
    cfg = own_config()
    config_data.set_data_root(cfg, str(tmp_path))
    start = r'--data-root, or another name with --cfg-options train_dataloader\.dataset\.'
    with pytest.raises(UserError, match=f'{start}ann_file=NAME, such as annotations/person_key'):
        config_data.check_data(cfg, ('train',))
    cfg.train_dataloader.dataset.ann_file = f'annotations/{mine.name}'
    cfg.train_dataloader.dataset.data_prefix = dict(img='train/')
    with pytest.raises(
        UserError, match=f'{start}data_prefix.img=NAME, such as annotations, images'
    ):
        config_data.check_data(cfg, ('train',))
    wrapped = dict(type='RepeatDataset', times=2, dataset=cfg.train_dataloader.dataset)
    cfg.train_dataloader.dataset = wrapped
    with pytest.raises(UserError, match='or another name with the config, such as'):
        config_data.check_data(cfg, ('train',))
