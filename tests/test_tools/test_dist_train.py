"""Two real processes on the CPU, started by tools/dist_train.sh."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.utils import set_random_seed
from mmpose.registry import DATASETS, MODELS

import directpose  # noqa: F401, registers what the config names
from tests.coco_files import person, write_coco

from .distributed_parts import norm_eval

ROOT = Path(__file__).resolve().parents[2]
WORLD_SIZE, BATCH_SIZE, STEPS = 2, 2, 2

CONFIG = """
_base_ = [
    '{root}/configs/_base_/models/directpose_r18-aa-tiny_fpn.py',
    '{root}/configs/_base_/default_runtime.py',
]
custom_imports = dict(imports=['directpose', 'tests.test_tools.distributed_parts'])
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    sampler=dict(type='ResumableInfiniteSampler', shuffle=False),
    dataset=dict(
        type='BottomupCocoDataset',
        data_root='{data}',
        ann_file='annotations/person_keypoints_train2017.json',
        data_prefix=dict(img='train2017/'),
        pipeline=[
            dict(type='LoadImage'),
            dict(type='BBoxFromKeypoints'),
            dict(type='GenerateTarget', encoder=dict(type='YOLOXPoseAnnotationProcessor')),
            dict(type='PackPoseInputs', meta_keys=('img_id', 'img_shape', 'ori_shape')),
        ]))
train_cfg = dict(type='ResumableIterTrainLoop', max_iters=2)
# With a rate of 0 all steps are taken at the same weights.
optim_wrapper = dict(optimizer=dict(type='RecordedSGD', lr=0., out_dir='{out}'))
custom_hooks = [dict(type='NormEvalHook')]
val_cfg = test_cfg = None
load_from = '{out}/start.pth'
"""


def free_port() -> str:
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return str(free.getsockname()[1])


def run_distributed(script: str, *args) -> str:
    """Run one of tools/dist_*.sh to its end, and check that torchrun leaves nothing behind.

    Returns:
        str: What it printed.
    """
    done = subprocess.run(
        ['bash', str(ROOT / 'tools' / script), *map(str, args)],
        env=dict(os.environ, PORT=free_port(), PYTHON=sys.executable, CUDA_VISIBLE_DEVICES=''),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert not list(Path(tempfile.gettempdir()).glob('torchelastic_*'))
    return done.stdout


def write_people(root: Path) -> None:
    """Write eight images; the second process sees in its second step nobody."""
    keypoints = {i: (10 + 5 * (i % 9), 12 + 4 * i) for i in range(17)}
    people = []
    for image_id in range(1, WORLD_SIZE * BATCH_SIZE * STEPS + 1):
        if image_id in (6, 8):
            labelled = [{}]
        else:  # as many people as the image's number says, of different shapes
            labelled = [
                {
                    i: (x + 3 * n, y + image_id)
                    for i, (x, y) in keypoints.items()
                    if i % (n + 1) == 0
                }
                for n in range(image_id)
            ]
        people += [
            person(points, len(people) + n, image_id) for n, points in enumerate(labelled, start=1)
        ]
    write_coco(root, people, num_images=8, size=(96, 128))


@pytest.mark.slow
def test_gradient_is_the_mean_of_the_processes(tmp_path):
    """In each step of two processes with two images each, one of them twice without people."""
    write_people(tmp_path)
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.format(root=ROOT, data=tmp_path, out=tmp_path))
    cfg = Config.fromfile(config)
    assert cfg.model.use_syncbn
    init_default_scope('mmpose')
    set_random_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'start.pth')

    log = run_distributed(
        'dist_train.sh',
        config,
        WORLD_SIZE,
        '--work-dir',
        tmp_path / 'run',
        '--total-batch-size',
        WORLD_SIZE * BATCH_SIZE,
    )
    assert 'no SyncBN on the CPU' in log
    assert (tmp_path / 'run/iter_2.pth').is_file()

    # What one process computes of the same images, one share after the other.
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    assert len(dataset) == WORLD_SIZE * BATCH_SIZE * STEPS
    model.train()
    norm_eval(model)
    seen = []
    for step in range(STEPS):
        shares = []
        for rank in range(WORLD_SIZE):
            images = [
                dataset[(step * BATCH_SIZE + i) * WORLD_SIZE + rank] for i in range(BATCH_SIZE)
            ]
            seen.append([len(image['data_samples'].gt_instance_labels) for image in images])
            batch = {key: [image[key] for image in images] for key in images[0]}
            losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
            loss, _ = model.parse_losses(losses)
            shares.append(torch.autograd.grad(loss, list(model.parameters())))
        found = [torch.load(tmp_path / f'{rank}_{step}.pth') for rank in range(WORLD_SIZE)]
        for (name, _), a, b, *parts in zip(model.named_parameters(), *found, *shares, strict=True):
            expected = sum(parts) / WORLD_SIZE
            assert torch.equal(a, b), name
            assert (a - expected).norm() <= 1e-5 * expected.norm() + 1e-12, (step, name)
    assert seen == [[1, 3], [2, 4], [5, 7], [0, 0]]


@pytest.mark.slow
def test_tiny_config(tmp_path, synthetic_coco):
    """A config of this repository, with all that it does: training, validation, saving."""
    (config,) = (ROOT / 'configs/directpose').glob('*tiny*_synthetic.py')
    log = run_distributed(
        'dist_train.sh',
        config,
        WORLD_SIZE,
        '--data-root',
        synthetic_coco,
        '--work-dir',
        tmp_path,
        '--total-batch-size',
        4,
        '--cfg-options',
        'train_dataloader.batch_size=1',
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
    )
    assert 'coco/AP' in log
    checkpoint = torch.load(tmp_path / 'iter_2.pth')
    assert checkpoint['meta']['iter'] == 2
    assert all(value.isfinite().all() for value in checkpoint['state_dict'].values())
    # Two processes with one image each, twice: two batches to an iteration.
    assert len(checkpoint['message_hub']['log_scalars']['train/loss'].data[0]) == 2
