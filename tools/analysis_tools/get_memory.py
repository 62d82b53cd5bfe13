"""Measure the peak memory of a config's model, in inference or in a training step.

::

    python tools/analysis_tools/get_memory.py configs/directpose/CONFIG.py --train \\
        --batch-size 4 --cfg-options model.backbone.with_cp=True model.head.with_cp=True

One call measures one thing. On a GPU the tool measures the memory of torch's tensors, the model
included. On a CPU (Linux only) it measures by how much the resident memory of the process grows
above that with the model built.
"""

import argparse
import re
from pathlib import Path

import torch

from directpose.analysis import VARIANTS, Subject
from directpose.cli.arguments import Parser
from directpose.cli.config import read_config
from directpose.cli.device import check_device
from directpose.cli.errors import errors_as_messages
from directpose.cli.options import add_batch_size, add_cfg_options, add_device, add_input_size

MIB = 2**20


def reset_peak() -> None:
    """Set the recorded peak of resident memory to what is resident now."""
    Path('/proc/self/clear_refs').write_text('5')


def read_peak() -> int:
    """Read the peak of resident memory in bytes.

    getrusage would not do: its peak includes the memory of the process that forked this one.
    """
    return 1024 * int(re.search(r'VmHWM:\s+(\d+) kB', Path('/proc/self/status').read_text())[1])


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'config',
        help="config file; for inference also a config of an installed package ('mmpose::...')",
    )
    add_input_size(parser)
    add_batch_size(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        '--train', action='store_true', help='measure a training step: losses and gradients'
    )
    what.add_argument(
        '--variant',
        default='plain',
        choices=VARIANTS,
        help='measure inference, run in this way; default: %(default)s',
    )
    add_device(parser)
    add_cfg_options(parser)
    args = parser.parse_args(argv)
    with errors_as_messages(args.config):
        check_device(args.device)
        cfg = read_config(args.config, args.cfg_options)
        subject = Subject(cfg, args.variant, args.device)
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
