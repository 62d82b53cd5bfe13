"""Command lines that say what is wrong with an argument, and what to write instead.

Needs the standard library only.
"""

import argparse
import math
from collections.abc import Callable

from directpose.errors import did_you_mean

TINY = 'directpose-tiny'
"""The model that comes with the package."""


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` that names the nearest option for a misspelt one."""

    def parse_known_args(self, args=None, namespace=None):
        """Refuse unknown arguments here, which both ``parse_args`` and a sub-command call."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(self._describe(unknown))
        return parsed, unknown

    def _describe(self, unknown: list[str]) -> str:
        options = [word.partition('=')[0] for word in unknown if word.startswith('-')]
        if not options:
            return f'{unknown[0]!r} is one argument too many'
        message = f'there is no option {options[0]}'
        hint = did_you_mean(options[0], self._option_string_actions)
        return f'{message}; {hint}' if hint else message


def whole_number(least: int = 1, most: int | None = None) -> Callable[[str], int]:
    """The ``type`` of an argument that is a whole number in a range.

    Args:
        least (int): The least number. Defaults to 1.
        most (int, optional): The greatest number.

    Returns:
        Callable: Turns a text into the number, or raises ``argparse.ArgumentTypeError``.
    """
    span = f'from {least}' if most is None else f'from {least} to {most}'

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f'give a whole number {span}, not {text!r}')
        return number

    return read


def score(text: str) -> float:
    """The ``type`` of an argument that is a score.

    Args:
        text (str): A word of the command line.

    Returns:
        float: From 0 to 1.

    Raises:
        argparse.ArgumentTypeError: If the text is not such a number.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f'give a number from 0 to 1, not {text!r}')
    return number


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add ``--model``, the small model of the package by default."""
    parser.add_argument(
        '--model',
        default=TINY,
        help='an exported model, .onnx, or the name of one that comes with the package; '
        'default: %(default)s, which never saw photographs of people',
    )
