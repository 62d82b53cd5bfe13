"""Time a config's model: whole and stage by stage, beside its convolutions and other models.

::

    python tools/analysis_tools/benchmark.py configs/directpose/CONFIG.py --input-size 800 1216 \\
        --variants plain fp32 --against mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py

The weights are random, and nothing is downloaded. Everything is timed in one run and in turn. A
ratio is the median over the rounds. It says more than milliseconds, which depend on the machine. A
picture is loaded and preprocessed as in the config's test, in one process, at the config's size.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from mmcv.transforms import Compose
from mmengine.registry import DefaultScope
from mmengine.utils.dl_utils import collect_env
from rich.console import Console
from rich.table import Column, Table

from directpose.analysis import (
    VARIANTS,
    Subject,
    loading_stages,
    record_convolutions,
    time_in_turn,
    write_picture,
)
from directpose.cli.arguments import Parser, whole_number
from directpose.cli.config import read_config
from directpose.cli.config_data import read_test_pipeline
from directpose.cli.device import check_device
from directpose.cli.errors import errors_as_messages, written
from directpose.cli.options import (
    add_batch_size,
    add_device,
    add_input_size,
    add_rounds,
    check_output,
)
from directpose.pictures import read_picture

UNSTEADY = 0.2
"""A time with a larger spread, relative to the time, says little."""

CONVOLUTIONS = "CONFIG's convolutions"
"""The convolutions of the first config. The rows of other models compare with these too."""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of a DirectPose model')
    parser.add_argument(
        '--against',
        nargs='*',
        default=[],
        metavar='CONFIG',
        help="other configs to time in the same run; also of an installed package ('mmpose::...')",
    )
    add_input_size(parser)
    add_batch_size(parser)
    parser.add_argument(
        '--variants',
        nargs='+',
        default=['plain', 'fp32'],
        choices=VARIANTS,
        metavar='VARIANT',
        help=f'how the models run: {", ".join(VARIANTS)}; default: plain fp32',
    )
    parser.add_argument(
        '--people',
        nargs='+',
        type=whole_number(0),
        default=[1, 100],
        metavar='N',
        help='numbers of people in the pictures that are decoded; default: 1 100',
    )
    parser.add_argument(
        '--picture', help='picture to load and preprocess; default: a drawn one of 640 pixels'
    )
    parser.add_argument('--train', action='store_true', help='time a training step too')
    add_rounds(parser)
    add_device(parser)
    parser.add_argument('--out', help='JSON file to write the figures to')
    return parser.parse_args(argv)


def time_forward(args: argparse.Namespace, inputs: torch.Tensor) -> list[dict]:
    """Time every model in every variant, beside the convolutions of the first model."""
    calls, baselines = {}, {}
    for variant in args.variants:
        # A compiled model shows no convolutions. They are those of the model before it is compiled.
        eager = Subject(read_config(args.config), variant.partition('-')[0], args.device)
        baselines[variant] = (CONVOLUTIONS, variant)
        calls[CONVOLUTIONS, variant] = record_convolutions(eager.forward(inputs))
        for config in (args.config, *args.against):
            subject = Subject(read_config(config), variant, args.device)
            calls[config, variant] = subject.forward(inputs)
    timings = time_in_turn(calls, args.rounds, device=args.device)
    return [
        dict(
            model=model,
            variant=variant,
            seconds=timing.median,
            spread=timing.spread,
            rounds=timing.seconds.tolist(),
            images_per_second=args.batch_size / timing.median,
            ratio=timing.ratio(timings[baselines[variant]]),
        )
        for (model, variant), timing in timings.items()
    ]


def time_stages(args: argparse.Namespace, inputs: torch.Tensor) -> list[dict]:
    """Time the stages of the model in the last variant, not compiled."""
    cfg = read_config(args.config)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmpose')):
        transforms = Compose(read_test_pipeline(cfg)).transforms
    subject = Subject(cfg, args.variants[-1].partition('-')[0], args.device)
    with tempfile.TemporaryDirectory() as folder:
        picture = args.picture or str(Path(folder, 'drawn.jpg'))
        if not args.picture:
            write_picture(picture, args.input_size)
        calls = {
            'forward': subject.forward(inputs),
            **loading_stages(transforms, subject.model, picture, args.batch_size),
            **subject.stages(inputs),
        }
        for number in args.people:
            calls[f'decode {number} people'] = subject.decoding(inputs, number)
        timings = time_in_turn(calls, args.rounds, device=args.device)
    return [
        dict(
            stage=stage,
            seconds=timing.median,
            spread=timing.spread,
            rounds=timing.seconds.tolist(),
            ratio=timing.ratio(timings['forward']),
        )
        for stage, timing in timings.items()
    ]


def time_training(args: argparse.Namespace, inputs: torch.Tensor) -> list[dict]:
    """Time a training step, beside the convolutions of its forward and its backward pass."""
    subject = Subject(read_config(args.config), device=args.device)
    step = subject.training_step(inputs, update=True)
    convolve = record_convolutions(step, with_gradients=True)
    timings = time_in_turn(
        {CONVOLUTIONS: convolve, 'training step': step},
        args.rounds,
        device=args.device,
    )
    return [
        dict(
            model=name,
            seconds=timing.median,
            spread=timing.spread,
            rounds=timing.seconds.tolist(),
            images_per_second=args.batch_size / timing.median,
            ratio=timing.ratio(timings[CONVOLUTIONS]),
        )
        for name, timing in timings.items()
    ]


def print_table(console: Console, title: str, rows: list[dict], ratio_to: str) -> None:
    """Print times in milliseconds, their spread, and their ratio to the time of ``ratio_to``."""
    names = [name for name in ('model', 'stage', 'variant') if name in rows[0]]
    # Long names go on in the next line: two that are cut off may look the same.
    columns = [Column(name, overflow='fold') for name in names]
    table = Table(*columns, 'ms', '+-', f'over {ratio_to}', title=title)
    for row in rows:
        table.add_row(
            *[Path(row[name]).name.removesuffix('.py') for name in names],
            f'{1000 * row["seconds"]:.1f}',
            f'{1000 * row["spread"]:.1f}',
            f'{row["ratio"]:.3f}',
        )
    console.print(table)
    if any(row['spread'] > UNSTEADY * row['seconds'] for row in rows):
        console.print(
            f'Some times vary by more than {UNSTEADY:.0%}, so this table says little: wait until '
            'the machine is quiet, or give more --rounds.'
        )


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_as_messages(args.config):
        check_device(args.device)
        if args.out:
            check_output(args.out, '--out')
        if args.picture:
            read_picture(args.picture)
        inputs = torch.randn(args.batch_size, 3, *args.input_size, device=args.device)
        forward = time_forward(args, inputs)
        stages = time_stages(args, inputs)
        training = time_training(args, inputs) if args.train else []
    console = Console()
    size = ' x '.join(map(str, inputs.shape))
    print_table(console, f'Forward, {size}', forward, CONVOLUTIONS)
    print_table(console, f'Stages, {stages[0]["stage"]} being all', stages, 'forward')
    if training:
        print_table(console, 'Training, forward, backward and optimiser', training, CONVOLUTIONS)
    if args.out:
        with written(args.out), open(args.out, 'w') as file:
            environment = {name: str(value) for name, value in collect_env().items()}
            json.dump(
                dict(
                    arguments=vars(args),
                    threads=torch.get_num_threads(),
                    forward=forward,
                    stages=stages,
                    training=training,
                    environment=environment,
                ),
                file,
                indent=2,
            )


if __name__ == '__main__':
    main()
