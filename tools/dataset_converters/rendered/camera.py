"""The camera: from metres to pixels and back, and what its rays hit."""

from dataclasses import dataclass

import numpy as np

NOBODY = -1
"""The number at pixels where nobody is seen."""
THING = -2
"""The number at pixels where a thing is seen."""

# Points that are nearer, or behind the camera, count as if at this distance, in metres.
_NEAREST = 0.05


@dataclass(frozen=True)
class Camera:
    """A camera above the ground and the origin that looks along +y.

    Attributes:
        width (int): Width of the picture in pixels.
        height (int): Height of the picture in pixels.
        focal (float): Focal length in pixels.
        horizon (float): Row of the points that are as high as the camera.
        elevation (float): Height above the ground, in metres.
        roll (float): Turn about the direction of view, in degrees. The picture
            turns counter-clockwise. Defaults to 0.
    """

    width: int
    height: int
    focal: float
    horizon: float
    elevation: float
    roll: float = 0.0

    @property
    def position(self) -> np.ndarray:
        """Position of the camera in metres. Shape (3, ), float32."""
        return np.array((0, 0, self.elevation), np.float32)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Compute columns and rows of points. A pixel reaches from its number to the next.

        Args:
            points (np.ndarray): Points in metres. Shape (N, 3).

        Returns:
            np.ndarray: Shape (N, 2).
        """
        scale = self.focal / np.maximum(points[:, 1], _NEAREST)
        column = self.width / 2 + points[:, 0] * scale
        row = self.horizon + (self.elevation - points[:, 2]) * scale
        return self._turn(np.stack((column, row), axis=1), self.roll)

    def rays(self, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Directions from the camera, 1 m long along y: a hit's distance is its depth.

        Args:
            columns (np.ndarray): Columns. Whole numbers are borders of pixels.
                Shape (N, ).
            rows (np.ndarray): Rows. Shape (N, ).

        Returns:
            np.ndarray: Shape (N, 3), float32.
        """
        columns, rows = self._turn(np.stack((columns, rows), axis=1), -self.roll).T
        right = (columns - self.width / 2) / self.focal
        down = (rows - self.horizon) / self.focal
        return np.stack((right, np.ones(len(right)), -down), axis=1).astype(np.float32)

    def _turn(self, points: np.ndarray, degrees: float) -> np.ndarray:
        """Turn pixels, (N, 2), counter-clockwise about the middle of the picture."""
        middle = np.array((self.width / 2, self.height / 2))
        sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
        return (points - middle) @ np.array(((cosine, -sine), (sine, cosine))) + middle


@dataclass(frozen=True)
class Hits:
    """What the rays through the middles of the pixels hit.

    Attributes:
        owner (np.ndarray): Number of the person, ``THING`` or ``NOBODY``.
            Shape (H, W), int.
        mesh (np.ndarray): Number of the mesh hit, or -1: first the people's,
            then the things'. Shape (H, W), int.
        depth (np.ndarray): Distance along y in metres, infinite where the ray
            hits nothing. Shape (H, W).
        triangle (np.ndarray): Number of the triangle hit. (H, W), int.
        weights (np.ndarray): Weights of the triangle's corners at this point.
            Shape (H, W, 3).
    """

    owner: np.ndarray
    mesh: np.ndarray
    depth: np.ndarray
    triangle: np.ndarray
    weights: np.ndarray
