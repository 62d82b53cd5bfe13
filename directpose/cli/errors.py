"""The error for a user's mistake, and what command lines do with it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from directpose.dataset_check import DatasetError
from directpose.engine.errors import CheckpointError, DiskError, NonFiniteError
from directpose.pictures import PictureError


class UserError(Exception):
    """What was asked for cannot be done, and the message says what to do instead.

    The message is one line that names the file or option. The command lines print it without a
    traceback.
    """


@contextmanager
def errors_as_messages() -> Iterator[None]:
    """End the process with one line, without a traceback, for errors that a user can mend."""
    try:
        yield
    except (
        UserError,
        CheckpointError,
        DatasetError,
        DiskError,
        NonFiniteError,
        PictureError,
    ) as error:
        # An error in a worker of a data loader comes as the text of its whole traceback.
        sys.exit(f'error: {str(error).rpartition(f".{type(error).__name__}: ")[2].strip()}')
