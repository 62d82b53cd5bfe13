"""Options that several command lines have in common."""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import DictAction

from directpose.errors import UserError

from .arguments import whole_number

PICTURES = ('.png', '.jpg', '.svg', '.pdf')
"""Endings of the pictures that matplotlib draws."""


class _Settings(DictAction):
    """MMEngine's ``KEY=VALUE``, with a message for words of another form."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        for word in values:
            if '=' not in word[1:]:
                raise argparse.ArgumentError(
                    self,
                    f'{word!r} is not a setting of the form KEY=VALUE; write other '
                    'arguments before --cfg-options',
                )
        try:
            super().__call__(parser, namespace, values, option_string)
        except AssertionError as error:
            raise argparse.ArgumentError(self, str(error)) from error


def add_cfg_options(parser: argparse.ArgumentParser, example: str = '') -> None:
    """Add ``--cfg-options``, which replaces settings of the config.

    Args:
        parser (argparse.ArgumentParser): The parser of the command line.
        example (str): A setting to show in the help, such as 'train_cfg.max_iters=10'.
    """
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=_Settings,
        metavar='KEY=VALUE',
        help="settings that replace the config's" + (f', such as {example}' if example else ''),
    )


def add_data_root(parser: argparse.ArgumentParser) -> None:
    """Add ``--data-root``, which may be given several times."""
    parser.add_argument(
        '--data-root',
        action='append',
        metavar='FOLDER',
        help="folder of the data, in place of the config's; if the config has several folders, "
        'give an option OLD=NEW for each',
    )


def add_metainfo(parser: argparse.ArgumentParser) -> None:
    """Add ``--metainfo``, which says what the keypoints of results are; COCO's by default."""
    parser.add_argument(
        '--metainfo',
        default='configs/_base_/datasets/coco.py',
        help='metainfo of the keypoints; default: COCO\'s, "%(default)s" of MMPose',
    )


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Add the options with which the launchers of several processes call a command."""
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def add_input_size(parser: argparse.ArgumentParser) -> None:
    """Add ``--input-size``, a height and a width."""
    parser.add_argument(
        '--input-size',
        nargs=2,
        type=whole_number(32),
        default=(800, 1216),
        metavar=('H', 'W'),
        help='input pixels, multiples of 32; default: 800 1216',
    )


def add_batch_size(parser: argparse.ArgumentParser) -> None:
    """Add ``--batch-size``."""
    parser.add_argument(
        '--batch-size',
        type=whole_number(),
        default=1,
        help='images in a batch; default: %(default)s',
    )


def add_rounds(parser: argparse.ArgumentParser) -> None:
    """Add ``--rounds``, the number of times that something is timed."""
    parser.add_argument(
        '--rounds',
        type=whole_number(),
        default=10,
        help='how often each is timed; default: %(default)s',
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``, the CPU by default."""
    parser.add_argument(
        '--device', default='cpu', help='device to run on, such as cuda; default: %(default)s'
    )


def make_folder(folder: str | Path, option: str) -> None:
    """Make the folder of a result, and check before the work that it can be written to.

    Args:
        folder (str | Path): The folder, which may be there already.
        option (str): The option that names the result, with its value, for messages.

    Raises:
        UserError: If nothing can be written to the folder.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(f'{option}: nothing can be written there ({error})') from error


def check_output(path: str | Path, option: str, endings: Sequence[str] = ()) -> None:
    """Check before the work that its result can be written to a file, and make the file's folder.

    Args:
        path (str | Path): The file, which may be there already.
        option (str): The option that names the file, for messages.
        endings (Sequence[str]): The endings that its name may have, such as '.png'. Defaults to
            any.

    Raises:
        UserError: If the file cannot be written, or if its name has another ending.
    """
    path = Path(path)
    if endings and path.suffix.lower() not in endings:
        raise UserError(f'{option} {path}: end the name with {" or ".join(endings)}')
    if path.is_dir():
        raise UserError(f'{option} {path}: this is a folder; give a file')
    if path.exists() and not os.access(path, os.W_OK):
        raise UserError(f'{option} {path}: this file cannot be overwritten; give another name')
    if path.is_file() or not path.exists():  # and not /dev/stdout
        make_folder(path.parent, f'{option} {path}')
