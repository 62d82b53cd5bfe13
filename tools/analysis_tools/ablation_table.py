"""Print the table of the runs that tools/ablations.sh made.

::

    python tools/analysis_tools/ablation_table.py work_dirs/ablations

The table has a line for each config. The figures are means over the seeds, at the last validation.
For AP, the least and the largest figure stand beside the mean.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from directpose.analysis.logs import read_curves
from directpose.cli.arguments import Parser
from directpose.cli.errors import errors_as_messages
from directpose.errors import UserError

COLUMNS = {
    'AP': 'coco/AP', 'AP50': 'coco/AP .5', 'AP75': 'coco/AP .75',
    'AP M': 'coco/AP (M)', 'AP L': 'coco/AP (L)',
}  # fmt: skip


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dir', help='folder with a work directory CONFIG-SEED for each run')
    return parser.parse_args(argv)


def read_runs(work_dir: str) -> dict[str, dict[int, list[float]]]:
    """Read the figures of all runs.

    Returns:
        dict[str, dict[int, list[float]]]: By row and seed, the figures of ``COLUMNS``.

    Raises:
        UserError: If a folder is not a run, or has no validation yet.
    """
    runs = defaultdict(dict)
    for folder in sorted(Path(work_dir).glob('*-*/')):
        row, _, seed = folder.name.rpartition('-')
        try:
            curves = read_curves(str(folder))
            runs[row][int(seed)] = [curves[key].values[-1] for key in COLUMNS.values()]
        except (ValueError, KeyError) as error:
            raise UserError(f'{folder}: no validation of a run CONFIG-SEED: {error}') from error
    if not runs:
        raise UserError(
            f'{work_dir}: has no runs; give the folder that tools/ablations.sh wrote to'
        )
    return runs


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_as_messages():
        runs = read_runs(args.work_dir)
    print('| config | seeds | ' + ' | '.join(COLUMNS) + ' |')
    print('| --- | --- |' + ' ---: |' * len(COLUMNS))
    best_first = sorted(runs, key=lambda row: -np.mean([run[0] for run in runs[row].values()]))
    for row in best_first:
        seeds, figures = zip(*sorted(runs[row].items()))
        figures = np.array(figures)  # (seeds, columns)
        means = [f'{mean:.3f}' for mean in figures.mean(axis=0)]
        if len(seeds) > 1:
            means[0] += f' ({figures[:, 0].min():.3f} to {figures[:, 0].max():.3f})'
        print(f'| {row} | {", ".join(map(str, seeds))} | ' + ' | '.join(means) + ' |')


if __name__ == '__main__':
    main()
