"""What command lines do with the errors that a user can mend."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.registry import build_from_cfg

from directpose.errors import UserError


@contextmanager
def errors_as_messages(config: str = 'the config') -> Iterator[None]:
    """End the process with one line, without a traceback, for errors that a user can mend.

    These are every ``UserError``, errors of the parts of a config, and files that cannot be opened
    or written. With ``DIRECTPOSE_TRACEBACK=1`` in the environment, all errors have their traceback.

    Args:
        config (str): The file of the config that is built, for messages.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError):
            # An error in a worker of a data loader comes as the text of its whole traceback.
            message: str | None = str(error).rpartition(f'.{type(error).__name__}: ')[2].strip()
        else:
            message = describe_build_error(error, config)
            if message is None and isinstance(error, OSError) and error.strerror:
                message = f'{error.filename}: {error.strerror}'
                if not error.filename:
                    message = f'{error.strerror} (DIRECTPOSE_TRACEBACK=1 shows where)'
        if message is None or os.environ.get('DIRECTPOSE_TRACEBACK') == '1':
            raise
        sys.exit(f'error: {message}')


@contextmanager
def written(path: str) -> Iterator[None]:
    """End the process with one line that names the file, if the file cannot be written.

    Args:
        path (str): The file that is written, as the user gave it.
    """
    with errors_as_messages():
        try:
            yield
        except OSError as error:  # a full disk, for one, has no file name
            raise UserError(f'{path}: {error.strerror or error}') from error


def describe_build_error(error: Exception, config: str = 'the config') -> str | None:
    """Say which part of a config cannot be built, and why.

    Args:
        error (Exception): Any error.
        config (str): The file of the config.

    Returns:
        str | None: None if the error does not come from building a part of a config.
    """
    if not isinstance(error, (AssertionError, KeyError, OSError, TypeError, ValueError)):
        return None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    parts = [frame for frame in frames if frame.f_code is build_from_cfg.__code__]
    if not parts:
        return None
    kinds = [frame.f_locals.get('obj_cls') for frame in parts]
    names = [kind.__name__ for kind in kinds if kind is not None]
    reason = error.args[0] if isinstance(error, KeyError) and error.args else error
    if kinds[-1] is None:  # the registry does not know the type
        reason = str(reason).partition('. ')[0]
        return (
            f'{" > ".join([config, *names])}: {reason}: correct the `type`, or name its '
            'module in custom_imports'
        )
    return (
        f'{" > ".join([config, *names])}: {reason} '
        '(DIRECTPOSE_TRACEBACK=1 shows where this comes from)'
    )
