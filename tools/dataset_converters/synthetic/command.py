"""What the command lines that make data sets have in common."""

import argparse
import os
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool

from rich.progress import Progress

from directpose.cli.arguments import whole_number

from .coco_files import MIN_SIZE


def add_dataset_options(parser: argparse.ArgumentParser, example: str, size: int) -> None:
    """Add the arguments that say where, how many, how large, and by how many processes.

    Args:
        parser (argparse.ArgumentParser): Gets the arguments.
        example (str): A folder to write, for the help.
        size (int): Default of ``--size``.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, 'sched_getaffinity'):  # not on macOS and Windows
        cores = len(os.sched_getaffinity(0))
    parser.add_argument('out', metavar='OUT', help=f'folder to write, for example {example}')
    parser.add_argument(
        '--train',
        type=whole_number(),
        default=1000,
        metavar='N',
        help='training pictures (default: %(default)s)',
    )
    parser.add_argument(
        '--val',
        type=whole_number(),
        default=100,
        metavar='M',
        help='validation pictures (default: %(default)s)',
    )
    parser.add_argument(
        '--size',
        type=whole_number(MIN_SIZE),
        default=size,
        metavar='S',
        help='long side of the pictures in pixels (default: %(default)s)',
    )
    parser.add_argument(
        '--seed',
        type=whole_number(0),
        default=0,
        metavar='X',
        help='seed of the pictures (default: %(default)s)',
    )
    parser.add_argument(
        '--workers',
        type=whole_number(),
        default=cores,
        metavar='W',
        help='processes that make pictures; the files are the same with any number (default: the '
        'cores that this process may use, %(default)s)',
    )


def run(
    write: Callable[..., dict[str, dict[str, int]]], parser: argparse.ArgumentParser, out: str
) -> None:
    """Write a data set with a progress bar, and print what the data set holds.

    Args:
        write (callable): Writes the data set. It takes ``progress`` and returns
            counts, as ``write_coco`` does.
        parser (argparse.ArgumentParser): Prints what ``write`` refuses, and
            exits.
        out (str): The folder, for the printed lines.
    """
    with Progress() as bar:
        task = bar.add_task('Making pictures', total=None)
        try:
            splits = write(
                progress=lambda done, total: bar.update(task, completed=done, total=total)
            )
        except (ValueError, OSError, ModuleNotFoundError) as error:
            bar.stop()
            parser.error(str(error))
        except BrokenProcessPool:
            bar.stop()
            parser.error('one of the processes was killed; where memory is short, give --workers 1')
    for split, counts in splits.items():
        print(f'{out}: {split}:', ', '.join(f'{n} {name}' for name, n in counts.items()))
