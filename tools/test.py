"""Test a checkpoint: print the metrics, and save or draw the predictions.

On one GPU, or on the CPU where there is none::

    python tools/test.py configs/directpose/CONFIG.py CHECKPOINT.pth

On the 8 GPUs of a machine::

    bash tools/dist_test.sh configs/directpose/CONFIG.py CHECKPOINT.pth 8
"""

import argparse
import os
import os.path as osp

import mmengine
from mmengine.dist import is_main_process
from mmengine.hooks import EMAHook
from mmengine.runner import Runner

from directpose.apis import PRECISIONS, estimator_of, optimize_for_inference
from directpose.cli import config, config_data, launch
from directpose.cli.arguments import Parser
from directpose.cli.checkpoint import load_checkpoint_file
from directpose.cli.display import choose_display
from directpose.cli.errors import errors_as_messages
from directpose.cli.options import (
    add_cfg_options,
    add_data_root,
    add_launcher,
    check_output,
    make_folder,
)
from directpose.datasets.flips import turn_flips_off
from directpose.engine.checkpoint_fit import check_weights
from directpose.engine.read_checkpoint import state_dict_of
from directpose.errors import UserError


def parse_args() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='where the log goes')
    add_data_root(parser)
    parser.add_argument(
        '--tta', action='store_true', help='merge the poses of several sizes and of mirrored images'
    )
    parser.add_argument(
        '--optimize',
        choices=PRECISIONS,
        help='prepare the model for speed, and compute in this precision',
    )
    parser.add_argument('--out', help='file for the metrics, .json')
    parser.add_argument('--dump', help='file for the predictions, .json')
    parser.add_argument('--show-dir', help='folder for pictures of the poses')
    add_cfg_options(parser, 'test_dataloader.num_workers=0')
    parser.add_argument(
        '--quiet',
        action='store_true',
        help='show a bar and the metrics only; the rest goes to test.log in the work directory',
    )
    add_launcher(parser)
    return parser.parse_args()


def build_config(args: argparse.Namespace) -> config.Config:
    """Read the config and change what the command line says."""
    cfg = config.load_config(args.config, args.cfg_options, args.work_dir)
    if args.data_root is not None:
        config_data.set_data_root(cfg, args.data_root, ('test',))
    config_data.check_data(cfg, ('test',))
    if args.tta:
        config.enable_tta(cfg)
    if args.show_dir is not None:
        config.enable_drawing(cfg, args.show_dir)
    if args.dump is not None:
        config.dump_predictions(cfg, args.dump)
    if args.out is not None and not args.out.endswith('.json'):
        raise UserError(f'--out {args.out}: the metrics are JSON; end the name with .json')
    # The pictures of a test have many sizes.
    cfg.merge_from_dict({'env_cfg.cudnn_benchmark': False})
    cfg.load_from = args.checkpoint
    if args.optimize:
        # run_test loads the weights, for they are changed before the runner would. The average
        # of EMA is what a checkpoint has as its weights; the hook would look for both.
        cfg.load_from = None
        cfg.custom_hooks = [
            hook
            for hook in cfg.get('custom_hooks') or []
            if hook['type'] not in ('EMAHook', EMAHook)
        ]
    launch.set_launcher(cfg, args.launcher)
    return cfg


def make_folders(args: argparse.Namespace, work_dir: str) -> None:
    """Check before the work that all results can be written."""
    make_folder(work_dir, f'--work-dir {work_dir}')
    if args.show_dir is not None:
        make_folder(args.show_dir, f'--show-dir {args.show_dir}')
    for option, file in (('--out', args.out), ('--dump', args.dump)):
        if file is not None:
            check_output(file, option)


def run_test(args: argparse.Namespace) -> None:
    cfg = build_config(args)
    make_folders(args, cfg.work_dir)
    checkpoint = load_checkpoint_file(args.checkpoint)
    is_main = launch.get_launched_rank(args.launcher) == 0
    with choose_display(args.quiet, osp.join(cfg.work_dir, 'test.log'), is_main) as hooks:
        runner = Runner.from_cfg(cfg)
        runner.register_custom_hooks(hooks)
        estimator = estimator_of(runner.model)
        check_weights(estimator, checkpoint, args.checkpoint)
        if args.optimize:
            estimator.load_state_dict(state_dict_of(checkpoint), strict=False)
            optimize_for_inference(estimator, PRECISIONS[args.optimize], keep_freed_memory=True)
        turn_flips_off(runner.test_loop.dataloader.dataset)  # of --tta, as a training does
        metrics = runner.test()
    if args.out is not None and is_main_process():
        mmengine.dump(metrics, args.out)


def main() -> None:
    args = parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    with errors_as_messages(args.config):
        run_test(args)
    launch.leave_process_group()


if __name__ == '__main__':
    main()
