"""Find a model's file and open it with ONNX Runtime."""

import os
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from directpose.weights import DIGESTS, find_weights


def find_model(model: str | PathLike) -> str:
    """Find the file of a model.

    Args:
        model (str | PathLike): A path, or the name of a model that comes with the package.

    Returns:
        str: The path of a file that exists.

    Raises:
        ValueError: If there is no such file or name.
    """
    if not isinstance(model, (str, PathLike)):
        raise ValueError(f'the model is {type(model).__name__}; give the path of an .onnx file')
    path = Path(model)
    if path.is_file():
        return fspath(path)
    # A name has no folder and no ending. A folder may have the name of a model by chance.
    if path.is_dir() and (isinstance(model, PathLike) or f'{model}.onnx' not in DIGESTS):
        raise ValueError(f'{path} is a folder; give the path of an .onnx file')
    if path.suffix or len(path.parts) != 1 or isinstance(model, PathLike):
        raise ValueError(f'{path}: there is no such file')
    return fspath(find_weights(fspath(model), '.onnx'))


def check_count(name: str, value) -> int:
    """Return a whole number from 1, of Python or numpy, as an int; refuse all else."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f'{name} must be a whole number from 1, but is {value!r}')
    return int(value)


def open_session(path: str, providers: Sequence, threads: int | None, options: Mapping[str, Any]):
    """Open a model file.

    Args:
        path (str): The file.
        providers (Sequence): Names of execution providers, or tuples of a name and its options.
        threads (int, optional): Threads that one operator may use. Defaults to the processors
            that this process may use. (ONNX Runtime's own default is all processors of the
            machine.)
        options (Mapping): Attributes of ``onnxruntime.SessionOptions`` by name, and entries of its
            configuration, whose names have a dot.

    Returns:
        onnxruntime.InferenceSession: The session.

    Raises:
        ImportError: If Pillow or ONNX Runtime is not installed.
        ValueError: If the file is not a model, if a provider or an option does not exist here, or
            if the number of threads is not a whole number from 1, or is given twice.
    """
    threads = None if threads is None else check_count('threads', threads)
    try:
        import onnxruntime
        import PIL  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'{error.name} is not installed; pip install onnxruntime pillow'
        ) from error
    names = [one[0] if isinstance(one, tuple) and one else one for one in providers]
    if not all(isinstance(name, str) for name in names):
        raise ValueError(
            f'providers must be a list of names, or of tuples of a name and its options, but is '
            f'{providers!r}'
        )
    available = onnxruntime.get_available_providers()
    for name in names:
        if name not in available:
            raise ValueError(
                f'the provider {name} is not available; this ONNX Runtime has: '
                f'{", ".join(available)}'
            )
    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = _usable_processors() if threads is None else threads
    if threads is not None and 'intra_op_num_threads' in options:
        raise ValueError('threads and intra_op_num_threads are the same; give one of them')
    for name, value in options.items():
        _set_option(session_options, name, value)
    try:
        session = onnxruntime.InferenceSession(path, session_options, providers=list(providers))
    except Exception as error:  # ONNX Runtime's errors have no common class
        raise ValueError(
            f'{path} cannot be opened as an ONNX model ({error}); give a file that '
            'tools/deployment/export_onnx.py wrote'
        ) from error
    missing = set(names) - set(session.get_providers())
    if missing:
        raise ValueError(
            f'ONNX Runtime could not start the provider {", ".join(sorted(missing))}; '
            'its log above says why'
        )
    return session


def _set_option(session_options, name: str, value: Any) -> None:
    """Set an attribute of the session's options, or an entry of its configuration.

    Raises:
        ValueError: If there is no such attribute, or if the value is not one of it.
    """
    try:
        if '.' in name:  # such as session.intra_op.allow_spinning
            session_options.add_session_config_entry(name, value)
        elif not isinstance(getattr(type(session_options), name, None), property):
            raise ValueError(f'ONNX Runtime has no session option named {name}')
        else:
            setattr(session_options, name, value)
    except (AttributeError, RuntimeError, TypeError) as error:
        raise ValueError(
            f'{value!r:.80} is no value for the session option {name:.80} of ONNX Runtime'
        ) from error


def _usable_processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, 'sched_getaffinity'):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
