"""Colours and patterns of cloth."""

from collections.abc import Callable

import cv2
import numpy as np

from .backgrounds import Backgrounds

Texture = Callable[[np.ndarray], np.ndarray]
"""From places on the body at rest, shape (N, 3) in metres, to BGR of shape (N, 3)."""

_KINDS = {'plain': 0.5, 'stripes': 0.14, 'check': 0.1, 'picture': 0.14, 'mottled': 0.12}
# Side of a printed picture in pixels, and how many of them lie on a metre.
_PRINT_SIZE, _PRINT_DENSITY = 128, 160


def sample_colour(rng: np.random.Generator) -> np.ndarray:
    """Draw a colour that clothes have: dark, light, denim, brown, or any. BGR, shape (3, )."""
    kind = rng.random()
    if kind < 0.2:
        return rng.uniform(8, 50) + rng.normal(0, 4, 3)
    if kind < 0.38:
        return rng.uniform(170, 250) + rng.normal(0, 5, 3)
    if kind < 0.55:
        return rng.uniform((60, 40, 20), (120, 80, 60)) * rng.uniform(0.5, 1.4)
    if kind < 0.7:
        return np.array((60, 90, 120)) * rng.uniform(0.5, 1.6) + rng.normal(0, 10, 3)
    hsv = np.array([[rng.integers((0, 60, 60), (180, 255, 255))]], np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0].astype(float)


def sample_texture(rng: np.random.Generator, backgrounds: Backgrounds) -> Texture:
    """Draw a cloth: plain, striped, checked, mottled, or printed with a piece of a picture."""
    first, second = sample_colour(rng), sample_colour(rng)
    axis, frequency = rng.choice([0, 2]), rng.uniform(40, 220)
    kind = rng.choice(list(_KINDS), p=list(_KINDS.values()))
    if kind == 'stripes':
        return _stripes(first, second, axis, frequency, rng.uniform(-0.6, 0.6))
    if kind == 'check':
        return _check(first, second, frequency)
    if kind == 'picture':
        return _print(backgrounds.sample(rng, _PRINT_SIZE, _PRINT_SIZE))
    if kind == 'mottled':
        return _mottled(first, rng.normal(0, 1, (3, 3)) * rng.uniform(8, 40))
    return lambda places: np.broadcast_to(first, places.shape)


def _stripes(first, second, axis, frequency, share) -> Texture:
    def colour(places):
        return np.where(np.sin(places[:, [axis]] * frequency) > share, first, second)

    return colour


def _check(first, second, frequency) -> Texture:
    def colour(places):
        crossing = np.sin(places[:, [0, 2]] * frequency) > 0
        mix = crossing.mean(axis=1, keepdims=True)
        return first * mix + second * (1 - mix)

    return colour


def _print(picture) -> Texture:
    def colour(places):
        across = (places[:, 0] * 1.3 + places[:, 1] * 0.4) * _PRINT_DENSITY
        down = -places[:, 2] * _PRINT_DENSITY
        return picture[down.astype(int) % _PRINT_SIZE, across.astype(int) % _PRINT_SIZE]

    return colour


def _mottled(first, waves) -> Texture:
    def colour(places):
        shade = np.sin(np.sin(places @ waves) * 2).mean(axis=1, keepdims=True)
        return first * (1 + 0.7 * shade)

    return colour
