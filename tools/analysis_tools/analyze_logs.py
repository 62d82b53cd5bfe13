"""Draw the curves of several runs, and print how long a training step takes.

::

    python tools/analysis_tools/analyze_logs.py plot_curve work_dirs/a work_dirs/b \\
        --keys loss coco/AP --legend with without --out curves.png
    python tools/analysis_tools/analyze_logs.py cal_train_time work_dirs/a

A run is a work directory or one of the JSON logs in it, */vis_data/scalars.json. If a run was
resumed, its logs are joined.
"""

import argparse
import math

import matplotlib.pyplot as plt
import numpy as np

from directpose.analysis.logs import read_curves
from directpose.cli.arguments import Parser
from directpose.cli.errors import errors_as_messages
from directpose.cli.options import PICTURES, check_output
from directpose.errors import UserError, did_you_mean


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = parser.add_subparsers(dest='task', required=True)
    plot = tasks.add_parser(
        'plot_curve', help='draw curves, and print their last, lowest and highest values'
    )
    plot.add_argument('runs', nargs='+', help='work directories or JSON logs')
    plot.add_argument(
        '--keys',
        nargs='+',
        default=['loss', 'coco/AP'],
        help='names of the values to draw; default: loss coco/AP',
    )
    plot.add_argument('--legend', nargs='+', help='a name for each run; default: its path')
    plot.add_argument('--title', help='title of the picture')
    plot.add_argument('--out', default='curves.png', help='picture to write; default: %(default)s')
    time = tasks.add_parser('cal_train_time', help='print the seconds that a training step takes')
    time.add_argument('runs', nargs='+', help='work directories or JSON logs')
    args = parser.parse_args(argv)
    if args.task == 'plot_curve' and args.legend and len(args.legend) != len(args.runs):
        parser.error(f'--legend has {len(args.legend)} names for {len(args.runs)} runs')
    return args


def plot_curve(args: argparse.Namespace) -> None:
    """Draw a picture that has a plot for each key and a line for each run."""
    check_output(args.out, '--out', PICTURES)
    names = args.legend or args.runs
    runs = [read_curves(path) for path in args.runs]
    for path, curves in zip(args.runs, runs):
        for key in args.keys:
            if key not in curves:
                hint = did_you_mean(key, curves) or f'it has {", ".join(sorted(curves))}'
                raise UserError(f'{path}: has no `{key}`; {hint}')
    columns = min(len(args.keys), 3)
    rows = math.ceil(len(args.keys) / columns)
    figure, parts = plt.subplots(
        rows, columns, figsize=(5 * columns, 3.6 * rows), layout='constrained', squeeze=False
    )
    width = max(map(len, names))
    for key, axes in zip(args.keys, parts.flat):
        print(f'{key:<{width}}  {"last":>9} {"lowest":>9} {"highest":>9}')
        for name, curves in zip(names, runs):
            iterations, values = curves[key]
            axes.plot(iterations, values, '.-' if len(values) < 50 else '-', label=name)
            low, high = np.nanmin(values), np.nanmax(values)
            print(f'{name:<{width}}  {values[-1]:9.4g} {low:9.4g} {high:9.4g}')
        axes.set(xlabel='iteration', title=key)
        axes.grid(alpha=0.3)
    for axes in parts.flat[len(args.keys) :]:
        axes.set_visible(False)
    parts.flat[0].legend()
    if args.title:
        figure.suptitle(args.title)
    figure.savefig(args.out, dpi=150)
    print(f'drawn into {args.out}')


def cal_train_time(args: argparse.Namespace) -> None:
    """Print how long a step takes in each run, and how much of the time it waits for data."""
    for path in args.runs:
        curves = read_curves(path)
        if 'time' not in curves:
            raise UserError(f'{path}: has no `time`, so it is not the log of a training')
        # Each value in the log is a mean over some steps. The first one includes the start-up.
        times = np.array(curves['time'].values)
        times = times[1:] if len(times) > 1 else times
        waits = np.array(curves['data_time'].values[-len(times) :])
        print(
            f'{path}: {times.mean():.4f} s a step (fastest {times.min():.4f}, slowest '
            f'{times.max():.4f}), {100 * waits.mean() / times.mean():.1f} % of it waiting for data'
        )


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_as_messages():
        dict(plot_curve=plot_curve, cal_train_time=cal_train_time)[args.task](args)


if __name__ == '__main__':
    main()
