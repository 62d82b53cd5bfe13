"""The base of all errors that a user can mend, and a part of their messages.

Needs the standard library only.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """A mistake that the user can mend. The command lines print it without a traceback.

    The message names the file or option, and says what to do.
    """


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Ask for the nearest of the known names.

    Args:
        name (str): A name that is not known.
        known (Iterable[str]): The names that are known.
        cutoff (float): How alike the two must be, from 0 to 1. Defaults to 0.6.

    Returns:
        str | None: The question; None if no name is alike.
    """
    nearest = get_close_matches(name, known, n=1, cutoff=cutoff)
    return f'did you mean {nearest[0]}?' if nearest else None
