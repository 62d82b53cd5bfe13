"""Read curves and times from the JSON logs that MMEngine writes."""

import json
from pathlib import Path
from typing import NamedTuple

from directpose.errors import UserError


class Curve(NamedTuple):
    """The values of one key in one run, in the order of the iterations."""

    iterations: list[int]
    values: list[float]


def log_files(path: str) -> list[Path]:
    """List the JSON logs of a run.

    Args:
        path (str): A log, or a work directory. A run that was resumed has several logs in its
            work directory.

    Returns:
        list[Path]: The logs, oldest first.

    Raises:
        UserError: If there is no log.
    """
    if Path(path).is_file():
        return [Path(path)]
    files = sorted(Path(path).glob('*/vis_data/scalars.json'))
    files = files or sorted(Path(path).glob('vis_data/scalars.json'))
    if not files:
        raise UserError(
            f'{path}: no such log; give a work directory with */vis_data/scalars.json, or one of '
            'these files'
        )
    return files


def read_curves(path: str) -> dict[str, Curve]:
    """Read the curves of a run.

    A resumed run repeats some iterations. The last value of an iteration is the one that counts.
    MMEngine may log a validation with its epoch instead of its iteration. Such a validation gets
    the iteration of the last training line before it.

    Args:
        path (str): See :func:`log_files`.

    Returns:
        dict[str, Curve]: A curve for each key that has numbers, with its iterations in ascending
        order.

    Raises:
        UserError: If there is no log, or if a line is not an object of JSON.
    """
    points: dict[str, dict[int, float]] = {}
    for file in log_files(path):
        last = 0
        lines = file.read_text(encoding='utf-8', errors='replace').splitlines()
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                if number == len(lines):  # the run still writes this line, or was killed there
                    continue
                entry = None
            wrong = None
            if not isinstance(entry, dict):
                wrong = 'is not an object of JSON'
            elif not all(isinstance(entry.get(key, 0), int) for key in ('iter', 'step')):
                wrong = 'has no whole number as `iter` or `step`'
            if wrong is not None:
                raise UserError(
                    f'{file}: line {number} {wrong}; give a log that MMEngine wrote, '
                    'vis_data/scalars.json'
                )
            training = 'iter' in entry
            iteration = entry['iter'] if training else max(entry.get('step', 0), last)
            last = iteration if training else last
            for key, value in entry.items():
                if key in ('iter', 'step', 'epoch') or isinstance(value, bool):
                    continue
                if key in ('time', 'data_time') and not training:
                    continue  # the time of a validation is not that of a training step
                if isinstance(value, (int, float)):
                    points.setdefault(key, {})[iteration] = value
    return {
        key: Curve(sorted(values), [values[i] for i in sorted(values)])
        for key, values in points.items()
    }
