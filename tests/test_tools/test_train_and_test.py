"""The command lines: what they do, and what they say to a mistake."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.datasets.datasets.body import CocoDataset
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import MODELS

from directpose.analysis import Subject
from directpose.cli.config import read_config
from directpose.models import PoseTTAModel
from tests.load_tool import load_tool, run_tool

ROOT = Path(__file__).resolve().parents[2]
(TINY,) = (ROOT / 'configs/directpose').glob('*tiny*_synthetic.py')


@pytest.fixture
def run(monkeypatch):
    """Call a tool's main() with arguments, in this process."""
    monkeypatch.delenv('LOCAL_RANK', raising=False)

    def call(name: str, *args):
        return run_tool(f'tools/{name}.py', *args)

    return call


@pytest.fixture(scope='module')
def options(synthetic_coco):
    """Make the tiny config train for two steps on few and small images."""
    return [
        '--data-root',
        synthetic_coco,
        '--cfg-options',
        'train_dataloader.batch_size=2',
        'train_dataloader.num_workers=0',
        'val_dataloader.num_workers=0',
        'test_dataloader.num_workers=0',
        'default_hooks.checkpoint.interval=1',
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
    ]


@pytest.mark.slow
def test_train_resume_and_test(run, options, tmp_path, capsys):
    work_dir = tmp_path / 'run'
    run('train', TINY, *options, '--work-dir', work_dir, '--seed', 3, '--resume')
    assert 'training starts anew' in capsys.readouterr().out
    whole = torch.load(work_dir / 'iter_2.pth')
    assert whole['meta']['seed'] == 3
    assert (work_dir / 'best_coco_AP_iter_2.pth').is_file()
    dumped = Config.fromfile(work_dir / TINY.name)
    assert dumped.train_cfg.max_iters == 2

    torn = work_dir / 'iter_2.pth'
    torn.write_bytes(torn.read_bytes()[:-1000])
    run('train', TINY, *options, '--work-dir', work_dir, '--resume')
    out = capsys.readouterr().out
    assert f'{torn} is damaged' in out
    assert f'Resuming from {work_dir / "iter_1.pth"}' in out
    resumed = torch.load(torn)
    for name, weight in whole['state_dict'].items():
        assert torch.equal(weight, resumed['state_dict'][name]), name

    run(
        'test',
        TINY,
        torn,
        *options,
        '--work-dir',
        work_dir,
        '--out',
        tmp_path / 'metrics.json',
        '--dump',
        tmp_path / 'poses.json',
        '--show-dir',
        tmp_path / 'drawn',
    )
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert len(metrics) == 10
    assert (tmp_path / 'poses.json').is_file()
    assert len(list((tmp_path / 'drawn').iterdir())) == 4

    ema = tmp_path / 'ema.py'
    ema.write_text(f"_base_ = {str(TINY)!r}\ncustom_hooks = [dict(type='EMAHook')]\n")
    run(
        'test',
        ema,
        torn,
        *options,
        '--work-dir',
        work_dir,
        '--optimize',
        'fp32',
        '--dump',
        tmp_path / 'optimized.json',
    )
    for pose, optimized in zip(
        json.loads((tmp_path / 'poses.json').read_text()),
        json.loads((tmp_path / 'optimized.json').read_text()),
        strict=True,
    ):
        assert pose['img_id'] == optimized['img_id']
        keypoints = [[p['keypoints'] for p in one['people']] for one in (pose, optimized)]
        np.testing.assert_allclose(*keypoints, rtol=1e-4, atol=1e-2)

    run(
        'test',
        TINY,
        torn,
        *options,
        'tta_views.scales=[1,0.5]',
        '--work-dir',
        work_dir,
        '--tta',
        '--optimize',
        'fp32',
        '--out',
        tmp_path / 'tta.json',
    )
    assert json.loads((tmp_path / 'tta.json').read_text()).keys() == metrics.keys()


def test_tta_mirrors_nothing_where_a_combined_data_set_has_no_flip_pairs(
    run, synthetic_coco, tmp_path, monkeypatch
):
    cfg = Config.fromfile(TINY)
    coco = parse_pose_metainfo(CocoDataset.METAINFO)  # what the data set inside has
    metainfo = dict(
        dataset_name='no sides',
        keypoint_info={i: dict(name=name, swap='') for i, name in coco['keypoint_id2name'].items()},
        skeleton_info={},
        joint_weights=[1.0] * 17,
        sigmas=[0.05] * 17,
    )
    outer = dict(type='CombinedDataset', metainfo=metainfo, _delete_=True)
    outer['pipeline'] = cfg.test_dataloader.dataset.pipeline
    outer['datasets'] = [dict(cfg.test_dataloader.dataset, pipeline=[])]
    (tmp_path / 'combined.py').write_text(
        f'_base_ = {str(TINY)!r}\ntest_dataloader = dict(dataset={outer!r})\n'
        "test_evaluator = dict(type='PoseDump', out_file='poses.json', _delete_=True)\n"
    )
    monkeypatch.chdir(tmp_path)
    init_default_scope('mmpose')
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), 'weights.pth')
    flips = []
    merge = PoseTTAModel._merge

    def note_views(self, views):
        flips.append([view.flip for view in views])
        return merge(self, views)

    monkeypatch.setattr(PoseTTAModel, '_merge', note_views)
    options = ['--data-root', synthetic_coco, '--cfg-options', 'tta_views.scales=[1,0.5]']
    run('test', 'combined.py', 'weights.pth', '--tta', *options)
    assert flips == 4 * [[False, False]]


class TestMistakes:
    """Each ends with one line, which names what is wrong and what to do."""

    @pytest.fixture
    def fails(self, run):
        def call(*args):
            with pytest.raises(SystemExit) as raised:
                run(*args)
            message = str(raised.value)
            assert message.startswith('error: ')
            assert '\n' not in message
            return message

        return call

    @pytest.mark.parametrize('tool', [('train',), ('test', 'x.pth')])
    def test_config(self, fails, tool):
        message = fails(tool[0], 'configs/gone.py', *tool[1:])
        assert 'configs/gone.py' in message and 'configs/directpose' in message

    @pytest.mark.parametrize('tool', [('train',), ('test', 'x.pth')])
    def test_data(self, fails, tool, tmp_path):
        message = fails(tool[0], TINY, *tool[1:], '--data-root', tmp_path)
        assert str(tmp_path) in message and '--data-root' in message

    def test_checkpoints_of_an_earlier_training(self, fails, options, tmp_path):
        (tmp_path / 'iter_2.pth').touch()
        message = fails('train', TINY, *options, '--work-dir', tmp_path)
        assert 'iter_2.pth: this checkpoint' in message and '--resume' in message

    def test_checkpoint_to_test(self, fails, options, tmp_path):
        message = fails('test', TINY, tmp_path / 'gone.pth', *options, '--work-dir', tmp_path)
        assert 'gone.pth' in message

    def test_checkpoint_of_another_model(self, fails, options, tmp_path):
        path = tmp_path / 'other.pth'
        torch.save(dict(state_dict=dict(weight=torch.zeros(1))), path)
        message = fails('test', TINY, path, *options, '--work-dir', tmp_path)
        assert 'other.pth' in message and 'backbone' in message

    def test_checkpoint_of_a_model_of_another_size(self, fails, options, tmp_path):
        path = tmp_path / 'other.pth'
        model = Subject(read_config(str(TINY))).model
        torch.save(dict(state_dict=model.state_dict()), path)
        message = fails(
            'test', TINY, path, *options, 'model.head.group_channels=8', '--work-dir', tmp_path
        )
        assert 'other.pth' in message and 'another shape' in message and 'head.' in message

    def test_file_for_the_metrics(self, fails, options, tmp_path):
        message = fails('test', TINY, 'x.pth', *options, '--out', tmp_path / 'metrics.txt')
        assert 'metrics.txt' in message and '.json' in message

    @pytest.mark.parametrize('option', ['--work-dir', '--show-dir', '--out', '--dump'])
    def test_output_that_cannot_be_written(self, fails, options, tmp_path, option):
        (tmp_path / 'file').touch()
        path = tmp_path / 'file' / 'poses.json'
        message = fails('test', TINY, tmp_path / 'gone.pth', *options, option, path)
        assert f'{option} {path}: nothing can be written there' in message

    def test_checkpoint_to_resume(self, fails, options, tmp_path):
        path = tmp_path / 'torn.pth'
        path.write_bytes(b'PK\x03\x04, and no more')
        message = fails('train', TINY, *options, '--resume', path)
        assert 'torn.pth' in message and '--resume' in message

    def test_batch_size(self, fails, options, monkeypatch):
        monkeypatch.setenv('WORLD_SIZE', '3')
        message = fails('train', TINY, *options, '--launcher', 'pytorch', '--total-batch-size', 32)
        assert 'multiple of 3' in message

    def test_launcher_that_did_not_start_this(self, fails, options, monkeypatch):
        monkeypatch.delenv('SLURM_NTASKS', raising=False)
        message = fails('train', TINY, *options, '--launcher', 'slurm', '--total-batch-size', 32)
        assert 'slurm_*.sh' in message


def test_what_only_validation_reads_is_looked_at_before_the_first_step(
    run, options, synthetic_coco, tmp_path
):
    path = synthetic_coco / 'annotations/person_keypoints_val2017.json'
    coco = json.loads(path.read_text())
    del coco['annotations'][0]['area']
    (tmp_path / 'val.json').write_text(json.dumps(coco))
    change = f'val_dataloader.dataset.ann_file={tmp_path}/val.json'
    with pytest.raises(SystemExit, match=r'val\.json(.|\n)*missing-area'):
        run('train', TINY, *options, change, '--work-dir', tmp_path)
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize('spelling', ['--local_rank', '--local-rank'])
@pytest.mark.parametrize('tool', [('train',), ('test', 'x.pth')])
def test_local_rank(run, tool, spelling):
    with pytest.raises(SystemExit, match='error: gone.py'):
        run(tool[0], 'gone.py', *tool[1:], f'{spelling}=1')
    assert os.environ['LOCAL_RANK'] == '1'


def test_a_config_needs_no_env_cfg(synthetic_coco, tmp_path):
    tool = load_tool('tools/test.py')
    config = tmp_path / 'config.py'
    cfg = Config.fromfile(TINY)
    cfg.pop('env_cfg')
    cfg.dump(config)
    args = [str(config), 'model.pth', '--data-root', str(synthetic_coco)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('sys.argv', ['test.py', *args])
        cfg = tool.build_config(tool.parse_args())
    assert cfg.env_cfg == dict(cudnn_benchmark=False)


def test_amp_needs_a_gpu(run, options):
    if torch.cuda.is_available():
        pytest.skip('there is a GPU')
    with pytest.raises(SystemExit, match='--amp fp16 needs a GPU; on the CPU take --amp bf16'):
        run('train', TINY, *options, '--amp')


def test_options_reach_the_config(run, options, monkeypatch, tmp_path):
    """All options at once, up to the point where a Runner would be built."""
    from mmengine.runner import Runner

    built = []
    monkeypatch.setattr(Runner, 'from_cfg', lambda cfg: built.append(cfg) or Trained())

    class Trained:
        def register_custom_hooks(self, hooks):
            assert hooks == []  # they show --quiet's bars

        def train(self):
            pass

    run(
        'train',
        TINY,
        *options,
        '--work-dir',
        tmp_path,
        '--total-batch-size',
        6,
        '--seed',
        5,
        '--show-dir',
        tmp_path / 'drawn',
    )
    (cfg,) = built
    assert isinstance(cfg, Config)
    assert cfg.work_dir == str(tmp_path)
    assert cfg.train_dataloader.batch_size == 2  # --cfg-options
    assert cfg.optim_wrapper.accumulative_counts == 3
    assert cfg.randomness.seed == 5
    assert cfg.default_hooks.visualization.enable
    assert not cfg.get('resume')
