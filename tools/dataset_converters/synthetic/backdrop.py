"""Surroundings of drawn people, and things between them."""

import cv2
import numpy as np

from .figure import sample_colour
from .render import Solid


def paint_backdrop(rng: np.random.Generator, width: int, height: int, horizon: float) -> np.ndarray:
    """Paint a wall or sky over a ground, with patterns, shapes and noise.

    Args:
        rng (np.random.Generator): Source of chance.
        width (int): Width in pixels.
        height (int): Height in pixels.
        horizon (float): Row at which the ground begins.

    Returns:
        np.ndarray: BGR, shape (height, width, 3), uint8.
    """
    image = np.empty((height, width, 3), np.float32)
    border = int(np.clip(horizon, 0, height))
    for rows in (slice(0, border), slice(border, height)):
        _fill(rng, image[rows])
    if rng.random() < 0.35:
        _add_pattern(rng, image[:border])
    for _ in range(rng.integers(0, 14)):
        image = _add_shape(rng, image, border)
    image += _cloudy_noise(rng, width, height) * rng.uniform(0, 32)
    return np.clip(image, 0, 255).astype(np.uint8)


def sample_thing(rng: np.random.Generator) -> list[Solid]:
    """Draw a thing that is not a person and stands on the ground (y = 0).

    Lamps, tables and animals are made of the same solids as people, so that
    a limb or a ball alone is no sign of a person.

    Returns:
        list[Solid]: The solids, in statures of a person. Their part is 1.
    """
    kinds = (_tree, _bush, _lamp, _ball, _table, _animal, _barrel)
    return kinds[rng.integers(len(kinds))](rng)


def make_seat(rng: np.random.Generator, height: float) -> list[Solid]:
    """A stool of the given height above the ground (y = 0)."""
    colour = sample_colour(rng, (0.1, 0.7), (0.15, 0.8))
    top = max(height - 0.03, 0.04)
    seat = [_solid((-0.09, top, 0), (0.09, top, 0), 0.03, 0.03, colour)]
    return seat + [
        _solid((x, top, 0), (1.2 * x, 0.012, 0), 0.014, 0.012, colour) for x in (-0.08, 0.08)
    ]


def _fill(rng, image):
    """Blend from one colour at the top to another at the bottom."""
    ends = np.array(
        [sample_colour(rng, (0, 0.55), (0.25, 1)), sample_colour(rng, (0, 0.55), (0.25, 1))],
        np.float32,
    )
    ends[1] = ends[0] + (ends[1] - ends[0]) * rng.uniform(0, 0.8)
    t = np.linspace(0, 1, len(image), dtype=np.float32)[:, None, None]
    image[:] = ends[0] + (ends[1] - ends[0]) * t


def _add_pattern(rng, image):
    """Wallpaper: stripes, or the chequers of two sets of them."""
    period = rng.uniform(0.03, 0.2) * image.shape[1]
    angle = rng.choice((0, 90, 45, rng.uniform(0, 180)))
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    wave = np.sin((x * cos + y * sin) * 2 * np.pi / period)
    if rng.random() < 0.4:
        wave *= np.sin((y * cos - x * sin) * 2 * np.pi / period)
    if rng.random() < 0.5:
        wave = np.sign(wave)
    image += wave[..., None] * rng.uniform(-25, 25, 3)


def _add_shape(rng, image, border):
    """A flat rectangle, disc, triangle or line, partly transparent."""
    height, width = image.shape[:2]
    at = np.array(
        (
            rng.uniform(0, width),
            rng.uniform(0, max(border, 1)) if rng.random() < 0.75 else rng.uniform(0, height),
        )
    )
    size = rng.uniform(0.03, 0.28, 2) * max(width, height)
    colour = sample_colour(rng, (0, 0.9), (0.1, 1))
    shape = image.copy()
    kind = rng.integers(4)
    if kind == 0:
        low, high = (at - size / 2).astype(int), (at + size / 2).astype(int)
        cv2.rectangle(shape, low.tolist(), high.tolist(), colour, -1)
    elif kind == 1:
        cv2.circle(shape, at.astype(int).tolist(), int(size[0] / 2), colour, -1, cv2.LINE_AA)
    elif kind == 2:
        corners = at + rng.uniform(-1, 1, (3, 2)) * size
        cv2.fillPoly(shape, [corners.astype(np.int32)], colour, cv2.LINE_AA)
    else:
        ends = (at + [[-1], [1]] * rng.uniform(-2, 2, 2) * size).astype(int)
        cv2.line(
            shape,
            ends[0].tolist(),
            ends[1].tolist(),
            colour,
            int(rng.integers(1, max(width // 25, 3))),
            cv2.LINE_AA,
        )
    alpha = rng.uniform(0.4, 1)
    return cv2.addWeighted(shape, alpha, image, 1 - alpha, 0)


def _cloudy_noise(rng, width, height):
    """Noise of several grain sizes, about -1 to 1, shape (h, w, 3 or 1)."""
    channels = rng.choice((1, 3))
    noise = np.zeros((height, width, channels), np.float32)
    grain = max(width, height) / 4
    weight = 1.0
    fade = rng.uniform(0.5, 0.9)
    while grain > 2:
        shape = (int(height / grain) + 2, int(width / grain) + 2, channels)
        coarse = rng.uniform(-1, 1, shape).astype(np.float32)
        noise += weight * cv2.resize(
            coarse, (width, height), interpolation=cv2.INTER_CUBIC
        ).reshape(noise.shape)
        grain /= 2.5
        weight *= fade
    return noise


def _solid(start, end, r0, r1, colour, stripe=None, bands=4) -> Solid:
    return Solid(
        np.array(start, float), np.array(end, float), (r0, r1), 1, tuple(colour), stripe, bands
    )


def _tree(rng):
    bark = sample_colour(rng, (0.2, 0.6), (0.2, 0.5))
    leaves = np.array((40, rng.uniform(90, 170), rng.uniform(30, 130)))
    height = rng.uniform(0.9, 1.7)
    solids = [_solid((0, 0, 0), (0, height, 0), 0.07, 0.04, bark)]
    for _ in range(7):
        at = rng.normal((0, height * 1.1, 0), (0.22, 0.18, 0.2))
        r = rng.uniform(0.12, 0.27)
        solids.append(_solid(at, at, r, r, leaves * rng.uniform(0.75, 1.15)))
    return solids


def _bush(rng):
    leaves = np.array((40, rng.uniform(90, 170), rng.uniform(30, 130)))
    solids = []
    for _ in range(6):
        r = rng.uniform(0.08, 0.18)
        at = (rng.normal(0, 0.22), r * rng.uniform(0.7, 1.5), rng.normal(0, 0.1))
        solids.append(_solid(at, at, r, r, leaves * rng.uniform(0.75, 1.15)))
    return solids


def _lamp(rng):
    height, r = rng.uniform(0.7, 1.8), rng.uniform(0.012, 0.035)
    bulb = r * rng.uniform(1.5, 4)
    return [
        _solid((0, 0, 0), (0, height, 0), r, r, sample_colour(rng)),
        _solid(
            (0, height, 0),
            (0, height + bulb, 0),
            bulb,
            bulb * 0.8,
            sample_colour(rng, (0, 0.9), (0.6, 1)),
        ),
    ]


def _ball(rng):
    r = rng.uniform(0.05, 0.2)
    return [
        _solid(
            (0, 0.5 * r, 0),
            (0, 1.5 * r, 0),
            r,
            r,
            sample_colour(rng),
            sample_colour(rng),
            int(rng.integers(1, 4)),
        )
    ]


def _table(rng):
    colour = sample_colour(rng, (0.1, 0.7), (0.2, 0.8))
    half, height = rng.uniform(0.15, 0.45), rng.uniform(0.22, 0.45)
    return [_solid((-half, height, 0), (half, height, 0), 0.025, 0.025, colour)] + [
        _solid((x, height, z), (x, 0, z), 0.016, 0.014, colour)
        for x in (-half, half)
        for z in (-0.04, 0.04)
    ]


def _barrel(rng):
    height, r = rng.uniform(0.1, 0.5), rng.uniform(0.05, 0.15)
    return [
        _solid(
            (0, 0, 0),
            (0, height, 0),
            r,
            r * rng.uniform(0.3, 1.1),
            sample_colour(rng),
            sample_colour(rng),
            int(rng.integers(1, 5)),
        )
    ]


def _animal(rng):
    """A four-legged animal, seen from any side."""
    coat = np.array(sample_colour(rng, (0.1, 0.6), (0.15, 0.9)))
    size, leg = rng.uniform(0.25, 0.7), rng.uniform(0.45, 0.8)
    yaw = rng.uniform(0, 2 * np.pi)
    forward = np.array((np.cos(yaw), 0, np.sin(yaw))) * size / 2
    aside = np.array((-np.sin(yaw), 0, np.cos(yaw))) * size * 0.13
    up = np.array((0, size, 0))
    girth = size * 0.17
    back = up * leg
    solids = [_solid(back - forward, back + forward, girth, girth, coat)]
    for side in (-1, 1):
        for end in (-1, 1):
            hip = back + end * forward + side * aside
            hoof = hip - back + forward * rng.normal(0, 0.3)
            solids.append(_solid(hip, hoof, girth * 0.5, girth * 0.25, coat))
    poll = back + 1.5 * forward + 0.35 * up
    solids.append(_solid(back + forward, poll, girth * 0.7, girth * 0.5, coat))
    solids.append(
        _solid(poll, poll + 0.5 * forward - 0.06 * up, girth * 0.6, girth * 0.35, coat * 0.9)
    )
    solids.append(
        _solid(
            back - forward, back - 1.5 * forward + 0.1 * up, girth * 0.25, girth * 0.15, coat * 0.8
        )
    )
    return solids
