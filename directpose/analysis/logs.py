"""Curves and times out of the JSON logs of MMEngine's runs."""

import json
from pathlib import Path
from typing import NamedTuple


class Curve(NamedTuple):
    """The values of one key in one run."""

    iterations: list[int]
    values: list[float]


def log_files(path: str) -> list[Path]:
    """The JSON logs of a run.

    Args:
        path (str): A log, or a work directory, whose resumed runs have a log each.

    Returns:
        List[Path]: The logs, oldest first.

    Raises:
        ValueError: If there is none.
    """
    if Path(path).is_file():
        return [Path(path)]
    files = sorted(Path(path).glob('*/vis_data/scalars.json'))
    files = files or sorted(Path(path).glob('vis_data/scalars.json'))
    if not files:
        raise ValueError(
            f'{path}: no such log; give a work directory with */vis_data/scalars.json, or one of '
            'these files'
        )
    return files


def read_curves(path: str) -> dict[str, Curve]:
    """The curves of a run, by key.

    A resumed run repeats some iterations: the last value of an iteration holds. A validation
    whose own step is no iteration (MMEngine may count epochs there) has that of the training line
    before it.

    Args:
        path (str): See :func:`log_files`.

    Returns:
        Dict[str, Curve]: Values by iteration, in ascending order. Only numbers are taken.

    Raises:
        ValueError: If there is no log, or if a line is not JSON.
    """
    points: dict[str, dict[int, float]] = {}
    for file in log_files(path):
        last = 0
        lines = file.read_text(encoding='utf-8').splitlines()
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except json.JSONDecodeError as error:
                if number == len(lines):  # of a run that goes on, or was killed while it wrote
                    continue
                raise ValueError(
                    f'{file}: line {number} is not JSON; give a log that MMEngine wrote, '
                    'vis_data/scalars.json'
                ) from error
            training = 'iter' in entry
            iteration = entry['iter'] if training else max(entry.get('step', 0), last)
            last = iteration if training else last
            for key, value in entry.items():
                if key in ('iter', 'step', 'epoch') or isinstance(value, bool):
                    continue
                if key in ('time', 'data_time') and not training:
                    continue  # a validation's time is another thing than a training step's
                if isinstance(value, (int, float)):
                    points.setdefault(key, {})[iteration] = value
    return {
        key: Curve(sorted(values), [values[i] for i in sorted(values)])
        for key, values in points.items()
    }
