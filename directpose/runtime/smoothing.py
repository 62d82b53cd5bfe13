"""Smooth keypoints over time."""

import math

import numpy as np


class OneEuroFilter:
    """The 1 euro filter (Casiez, Roussel, Vogel, CHI 2012) for the keypoints of one person.

    It is a low-pass filter whose cutoff frequency rises with speed: what stands still does not
    jitter, and what moves fast does not lag. Speed counts in sizes of the person a second, so
    the settings hold for people of any size.

    Args:
        min_cutoff (float): Cutoff frequency at rest, in Hz. Less is smoother. Defaults to 1.5.
        beta (float): How much the cutoff rises, in Hz, with each size a second. More lags less.
            Defaults to 4.
        speed_cutoff (float): Cutoff frequency of the speed itself, in Hz. Defaults to 1.
    """

    def __init__(
        self, min_cutoff: float = 1.5, beta: float = 4.0, speed_cutoff: float = 1.0
    ) -> None:
        self.min_cutoff, self.beta, self.speed_cutoff = min_cutoff, beta, speed_cutoff
        self._time: float | None = None
        self._value = self._speed = np.zeros(0)

    def __call__(self, value: np.ndarray, time: float, scale: float) -> np.ndarray:
        """Filter the next value.

        Args:
            value (np.ndarray): (K, 2) keypoints in pixels.
            time (float): Seconds.
            scale (float): Size of the person in pixels.

        Returns:
            np.ndarray: (K, 2) smooth keypoints in pixels.
        """
        if self._time is None:
            self._time, self._value, self._speed = time, value, np.zeros_like(value)
            return value
        if time <= self._time:
            return self._value
        elapsed = time - self._time
        speed = (value - self._value) / elapsed / scale  # sizes a second
        self._speed = self._speed + _weight(self.speed_cutoff, elapsed) * (speed - self._speed)
        cutoff = self.min_cutoff + self.beta * np.abs(self._speed)  # (K, 2)
        self._value = self._value + _weight(cutoff, elapsed) * (value - self._value)
        self._time = time
        return self._value


def _weight(cutoff, elapsed: float):
    """The weight of a new value in a low-pass filter of first order."""
    ratio = 2 * math.pi * cutoff * elapsed
    return ratio / (1 + ratio)
