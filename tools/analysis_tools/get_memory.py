"""Peak memory of a config's model, in inference or in a step of training.

::

    python tools/analysis_tools/get_memory.py configs/directpose/CONFIG.py --train \\
        --batch-size 4 --cfg-options model.backbone.with_cp=True model.head.with_cp=True

One process measures one thing. On a GPU it is the memory of torch's tensors, model included; on
a CPU (Linux) the process's resident memory above what it was with the model built.
"""

import argparse
import re
import sys
from pathlib import Path

import torch
from mmengine.config import DictAction

from directpose.analysis import VARIANTS, Subject, read_config
from directpose.cli.errors import UserError

MIB = 2**20


def reset_peak() -> None:
    """Count the peak of resident memory from now on."""
    Path('/proc/self/clear_refs').write_text('5')


def read_peak() -> int:
    """Bytes. Not from getrusage, which begins with the memory of the process that forked this."""
    return 1024 * int(re.search(r'VmHWM:\s+(\d+) kB', Path('/proc/self/status').read_text())[1])


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'config', help="config file; for inference also one of a package, 'mmpose::...'"
    )
    parser.add_argument(
        '--input-size',
        nargs=2,
        type=int,
        default=(800, 1216),
        metavar=('H', 'W'),
        help='input pixels, multiples of 32; default: 800 1216',
    )
    parser.add_argument('--batch-size', type=int, default=1, help='default: %(default)s')
    what = parser.add_mutually_exclusive_group()
    what.add_argument('--train', action='store_true', help='losses and gradients')
    what.add_argument(
        '--variant', default='plain', choices=VARIANTS, help='of inference; default: %(default)s'
    )
    parser.add_argument('--device', default='cpu', help='such as cuda; default: %(default)s')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help="settings that replace the config's",
    )
    args = parser.parse_args(argv)
    try:
        cfg = read_config(args.config)
        cfg.merge_from_dict(args.cfg_options)
        subject = Subject(cfg, args.variant, args.device)
    except UserError as error:
        sys.exit(f'error: {error}')
    inputs = torch.randn(args.batch_size, 3, *args.input_size, device=args.device)
    call = subject.training_step(inputs) if args.train else subject.forward(inputs)
    if torch.device(args.device).type == 'cuda':
        torch.cuda.reset_peak_memory_stats(args.device)
        call()
        peak, counted = torch.cuda.max_memory_allocated(args.device), "torch's tensors on the GPU"
    else:
        reset_peak()
        before = read_peak()
        call()
        peak, counted = read_peak() - before, 'resident, above the model'
    kind = 'training step' if args.train else f'inference, {args.variant}'
    print(f'{kind}, {args.batch_size} x 3 x {args.input_size[0]} x {args.input_size[1]}')
    print(f'peak memory: {peak / MIB:.0f} MiB ({counted})')


if __name__ == '__main__':
    main()
