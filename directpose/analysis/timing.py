"""Time several functions in turn, so that a slow minute of the machine affects all of them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Timing:
    """The times that a function took.

    Attributes:
        seconds (np.ndarray): (rounds, ), the time in each round.
    """

    seconds: np.ndarray

    @property
    def median(self) -> float:
        """The median over the rounds, in seconds."""
        return float(np.median(self.seconds))

    @property
    def spread(self) -> float:
        """Half of the interquartile range, in seconds."""
        low, high = np.percentile(self.seconds, (25, 75))
        return float(high - low) / 2

    def ratio(self, other: 'Timing') -> float:
        """The median over the rounds of this time divided by the other's in the same round."""
        return float(np.median(self.seconds / other.seconds))


def time_in_turn(
    calls: Mapping[str, Callable[[], object]],
    rounds: int = 10,
    warmup: int = 2,
    device: str | torch.device = 'cpu',
) -> dict[str, Timing]:
    """Time several functions. Each round calls each of them once.

    Args:
        calls (Mapping[str, Callable]): Functions without arguments, by name.
        rounds (int): How often each function is timed. Defaults to 10.
        warmup (int): Rounds that are run first and not counted, to warm up. Defaults to 2.
        device (str or torch.device): On a CUDA device the time is read from CUDA events, after
            the device has finished its work. Defaults to 'cpu'.

    Returns:
        dict[str, Timing]: The times of each function, by name.

    Raises:
        ValueError: If ``rounds`` is not positive.
    """
    if rounds < 1:
        raise ValueError(f'rounds must be at least 1, but is {rounds}')
    once = _seconds_on_cuda if torch.device(device).type == 'cuda' else _seconds
    seconds = {name: [] for name in calls}
    for number in range(warmup + rounds):
        for name, call in calls.items():
            taken = once(call)
            if number >= warmup:
                seconds[name].append(taken)
    return {name: Timing(np.array(values)) for name, values in seconds.items()}


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _seconds_on_cuda(call: Callable[[], object]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1000
