"""Train a model.

On one GPU, or on the CPU where there is none::

    python tools/train.py configs/directpose/CONFIG.py

On the 8 GPUs of a machine, with the batch of the paper on any number of them::

    bash tools/dist_train.sh configs/directpose/CONFIG.py 8 --total-batch-size 32

For several machines see tools/dist_train.sh and tools/slurm_train.sh. After an interruption, the
same command with ``--resume`` goes on from the last checkpoint.

After SIGTERM or Ctrl-C the current step ends, its checkpoint is saved, and the exit status is that
of the signal. A second signal ends the process at once, if it comes five seconds later.
"""

import argparse
import os
import os.path as osp
import sys

from mmengine.runner import Runner

from directpose.cli import config, config_data, launch
from directpose.cli.arguments import Parser, whole_number
from directpose.cli.checkpoint import load_checkpoint_file
from directpose.cli.display import choose_display
from directpose.cli.errors import errors_as_messages
from directpose.cli.lock import lock_work_dir
from directpose.cli.options import add_cfg_options, add_data_root, add_launcher, make_folder
from directpose.cli.resume import (
    check_nothing_is_overwritten,
    checkpoint_folder,
    find_resumable_checkpoint,
)
from directpose.engine.checkpoint_fit import check_resumable
from directpose.engine.errors import TrainingInterrupted
from directpose.engine.read_checkpoint import read_all_checkpoints_safely


def parse_args() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='where logs and checkpoints go')
    add_data_root(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from this checkpoint, or without a value from the last good one of the work '
        'directory',
    )
    parser.add_argument(
        '--total-batch-size',
        type=whole_number(),
        metavar='N',
        help='images in an optimiser step over all processes; a process that gets more than the '
        "config's batch_size accumulates gradients",
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='fp16',
        choices=['fp16', 'bf16'],
        help='train in mixed precision: fp16 (the default, on GPUs only) or bf16 (also on CPUs)',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help="multiply the learning rate by the batch size divided by the config's base_batch_size",
    )
    parser.add_argument(
        '--seed', type=whole_number(0, 2**32 - 1), help='seed of all random numbers'
    )
    parser.add_argument('--show-dir', help='folder for pictures of the poses in validation')
    add_cfg_options(parser, 'train_dataloader.batch_size=2')
    parser.add_argument(
        '--quiet',
        action='store_true',
        help='show bars and results only; the rest goes to train.log in the work directory',
    )
    add_launcher(parser)
    return parser.parse_args()


def build_config(args: argparse.Namespace) -> config.Config:
    """Read the config and change what the command line says."""
    cfg = config.load_config(args.config, args.cfg_options, args.work_dir)
    if args.data_root is not None:
        config_data.set_data_root(cfg, args.data_root)
    config_data.check_data(cfg, ('train', 'val'))
    if args.total_batch_size is not None:
        config.set_total_batch_size(
            cfg, args.total_batch_size, launch.get_launched_world_size(args.launcher)
        )
    if args.auto_scale_lr:
        config.enable_auto_scale_lr(cfg)
    if args.amp is not None:
        config.enable_amp(cfg, args.amp)
    if args.show_dir is not None:
        make_folder(args.show_dir, f'--show-dir {args.show_dir}')
        config.enable_drawing(cfg, args.show_dir)
    if args.seed is not None:
        cfg.randomness = dict(cfg.get('randomness', {}), seed=args.seed)
    return cfg


def set_resume(cfg: config.Config, checkpoint: str) -> None:
    """Go on from a checkpoint, or from the last good one for 'auto'."""
    if checkpoint == 'auto':
        checkpoint, damaged = find_resumable_checkpoint(cfg.work_dir, checkpoint_folder(cfg))
        for path in damaged:
            print(f'{path} is damaged and is skipped.')
        if checkpoint is None:
            print(f'{cfg.work_dir} has no checkpoint to resume: training starts anew.')
            return
        print(f'Resuming from {checkpoint}.')
    else:
        check_resumable(load_checkpoint_file(checkpoint), checkpoint)
    cfg.resume, cfg.load_from = True, checkpoint


def run_training(args: argparse.Namespace) -> None:
    read_all_checkpoints_safely()
    cfg = build_config(args)
    with lock_work_dir(cfg.work_dir, launch.get_launched_rank(args.launcher)):
        if args.resume is not None:
            set_resume(cfg, args.resume)
        elif not cfg.get('resume'):
            check_nothing_is_overwritten(cfg)
        launch.set_launcher(cfg, args.launcher)
        is_main = launch.get_launched_rank(args.launcher) == 0
        log = osp.join(cfg.work_dir, 'train.log')
        with choose_display(args.quiet, log, is_main) as hooks:
            runner = Runner.from_cfg(cfg)
            runner.register_custom_hooks(hooks)
            if args.resume is not None:
                launch.check_same_checkpoint(cfg.load_from if cfg.get('resume') else None)
            runner.train()


def main() -> None:
    args = parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    status = 0
    with errors_as_messages(args.config):
        try:
            run_training(args)
        except TrainingInterrupted as interrupted:
            print(interrupted, file=sys.stderr)
            status = 128 + interrupted.signum
    launch.leave_process_group()
    if status:
        sys.exit(status)


if __name__ == '__main__':
    main()
