"""Painting of solids: a small z-buffer for round cones.

Everything that stands in a drawn picture, people and things alike, is a list
of :class:`Solid`. The painted maps have the colours. They also say which part
is seen at a pixel and how near it is. So visibility is read from the picture
and never guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

Colour = tuple[float, float, float]

_STRIP_PIXELS = 1 << 14


@dataclass(frozen=True)
class Solid:
    """A round cone: the space of two balls and of the way between them.

    Attributes:
        start (np.ndarray): Centre of the first ball, shape (3,): x to the
            right, y up, z towards the viewer.
        end (np.ndarray): Centre of the second ball, shape (3,).
        radii (tuple[float, float]): Radius of the first and second ball, in
            the unit of the centres.
        part (int): Number of the body part or thing that it belongs to, at least 1.
        colour (tuple[float, float, float]): BGR, 0 to 255.
        stripe (tuple[float, float, float], optional): BGR of a second colour
            that alternates with the first along the axis.
        bands (int): Number of bands of ``stripe`` from start to end.
    """

    start: np.ndarray
    end: np.ndarray
    radii: tuple[float, float]
    part: int
    colour: Colour
    stripe: Colour | None = None
    bands: int = 4


@dataclass(frozen=True)
class Layer:
    """The painted solids of one figure, cut to the canvas.

    Attributes:
        left (int): Canvas column of the first column of the maps.
        top (int): Canvas row of the first row of the maps.
        part (np.ndarray): ``Solid.part`` of what is seen, 0 where nothing is.
            Shape (h, w), uint8.
        depth (np.ndarray): Height of the seen surface towards the viewer, in
            canvas pixels; -inf where nothing is. Shape (h, w), float32.
        image (np.ndarray): BGR. Shape (h, w, 3), uint8.
    """

    left: int
    top: int
    part: np.ndarray
    depth: np.ndarray
    image: np.ndarray

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the canvas that the maps cover."""
        height, width = self.part.shape
        return (slice(self.top, self.top + height), slice(self.left, self.left + width))


def paint(
    solids: Sequence[Solid],
    origin: Sequence[float],
    scale: float,
    canvas_size: tuple[int, int],
    light: np.ndarray,
) -> Layer:
    """Paint solids, the nearer surface over the farther (orthographic).

    Args:
        solids (Sequence[Solid]): What to paint, at most 127.
        origin (Sequence[float]): Canvas x, y of the solids' origin.
        scale (float): Canvas pixels in a unit of the solids.
        canvas_size (tuple[int, int]): Width and height of the canvas.
        light (np.ndarray): Unit vector towards the light, shape (3,), in the
            axes of the solids.

    Returns:
        Layer: The painted maps. They are empty if all solids lie outside of
        the canvas.
    """
    # (S, 2, 3), with y down as in the canvas
    ends = np.array([(s.start, s.end) for s in solids]) * (scale, -scale, scale)
    ends[..., :2] += origin
    radii = np.array([s.radii for s in solids]) * scale  # (S, 2)
    low = (ends[..., :2] - radii[..., None]).min(axis=1)  # (S, 2)
    high = (ends[..., :2] + radii[..., None]).max(axis=1)  # (S, 2)
    low = np.clip(np.floor(low), 0, canvas_size).astype(int)
    high = np.clip(np.ceil(high) + 1, 0, canvas_size).astype(int)
    inside = np.flatnonzero(np.all(low < high, axis=1))
    if not len(inside):
        empty = np.zeros((0, 0), np.uint8)
        return Layer(0, 0, empty, empty.astype(np.float32), np.zeros((0, 0, 3), np.uint8))
    left, top = low[inside].min(axis=0)
    right, bottom = high[inside].max(axis=0)
    shape = (bottom - top, right - left)

    depth = np.full(shape, -np.inf, np.float32)
    shade = np.zeros(shape, np.float32)
    # Index 0 is nothing; solid n has n + 1, and its stripe n + 1 + S.
    index = np.zeros(shape, np.uint8)
    parts = np.zeros(256, np.uint8)
    colours = np.zeros((3, 256), np.float32)
    direction = (light[0], -light[1], light[2])
    for n in inside:
        solid = solids[n]
        own_index = n + 1
        stripe_index = own_index + len(solids)
        parts[[own_index, stripe_index]] = solid.part
        colours[:, own_index] = solid.colour
        x = np.arange(low[n, 0], high[n, 0], dtype=np.float32) - np.float32(ends[n, 0, 0])
        # In strips that stay in the processor's cache.
        rows = max(_STRIP_PIXELS // len(x), 1)
        for row in range(low[n, 1], high[n, 1], rows):
            y = np.arange(row, min(row + rows, high[n, 1]), dtype=np.float32)
            window = (
                slice(row - top, row - top + len(y)),
                slice(low[n, 0] - left, high[n, 0] - left),
            )
            along, new_depth, new_shade = _surface(
                x[None],
                (y - np.float32(ends[n, 0, 1]))[:, None],
                ends[n, 1] - ends[n, 0],
                *radii[n],
                direction,
            )
            new_depth += np.float32(ends[n, 0, 2])
            new_index = np.full(along.shape, own_index, np.uint8)
            if solid.stripe is not None:
                colours[:, stripe_index] = solid.stripe
                new_index[along * solid.bands % 1 > 0.5] = stripe_index
            # OpenCV copies under a mask ten times as fast as NumPy.
            nearer = cv2.compare(new_depth, depth[window], cv2.CMP_GT)
            cv2.copyTo(new_depth, nearer, depth[window])
            cv2.copyTo(new_shade, nearer, shade[window])
            cv2.copyTo(new_index, nearer, index[window])
    planes = [cv2.multiply(cv2.LUT(index, c), shade, dtype=cv2.CV_8U) for c in colours]
    return Layer(left, top, cv2.LUT(index, parts), depth, cv2.merge(planes))


def _surface(
    x: np.ndarray, y: np.ndarray, axis: np.ndarray, r0: float, r1: float, light: Sequence[float]
):
    """The near surface of a round cone that starts at the origin.

    At a pixel, the ball at the axis parameter ``t`` reaches the depth
    ``t dz + sqrt(Q(t))``, where ``Q(t) = (r0 + t dr)^2 - v^2 - (u - t L)^2``,
    ``u`` is the way along the axis in the picture, ``v`` that across, and
    ``L`` the axis' length in the picture. The near surface is its maximum.

    Returns:
        tuple: The axis parameter (0 to 1) of each pixel, its depth (-inf
        outside) and its brightness, each (h, w), float32.
    """
    dx, dy, dz = (float(value) for value in axis)
    length, dr = float(np.hypot(dx, dy)), float(r1 - r0)
    ex, ey = (dx / length, dy / length) if length > 0 else (1.0, 0.0)
    u = x * np.float32(ex) + y * np.float32(ey)
    v = y * np.float32(ex) - x * np.float32(ey)
    v2 = v * v
    a = length**2 - dr**2
    e = a + dz**2
    if e <= 0:  # one ball holds the other
        along = np.full_like(u, dr > 0)
    elif a <= 0 and dr * dz >= 0:  # the nearer ball hides all the rest
        along = np.full_like(u, dz > 0)
    else:
        a = np.copysign(max(abs(a), 1e-5 * e), a)
        root = u * np.float32(dr) + np.float32(length * r0)
        root *= root
        root -= v2 * np.float32(a)
        along = _root(root)
        along *= np.float32(dz / np.sqrt(e) / a)
        along += u * np.float32(length / a) + np.float32(r0 * dr / a)
        np.clip(along, 0, 1, out=along)
    radius = along * np.float32(dr) + np.float32(r0)
    u -= along * np.float32(length)
    height = radius * radius
    height -= v2
    height -= u * u
    height = _root(height)
    depth = along * np.float32(dz)
    depth += height
    depth[height == 0] = -np.inf
    # The normal is (u ex - v ey, u ey + v ex, height) / radius.
    lit = u * np.float32(ex * light[0] + ey * light[1])
    v *= np.float32(ex * light[1] - ey * light[0])
    lit += v
    lit += height * np.float32(light[2])
    # A little of the shade follows the view, so that rims darken whatever
    # the light and a limb stands out from the body behind it.
    shade = np.maximum(lit, 0, out=lit)
    shade *= np.float32(0.42)
    height *= np.float32(0.25)
    shade += height
    shade /= radius
    shade += np.float32(0.4)
    return along, depth, shade


def _root(array: np.ndarray) -> np.ndarray:
    """Square root, of negative values 0, in place."""
    np.maximum(array, 0, out=array)
    return np.sqrt(array, out=array)
