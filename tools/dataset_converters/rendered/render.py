"""Find by rays which person is at which pixel, in which light and shadow."""

from dataclasses import dataclass

import cv2
import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from .anatomy import Anatomy
from .body import Body, normals
from .camera import NOBODY, Camera, Hits
from .clothes import blend_cover
from .look import Look

# The shadow on the ground is computed at every third row and column.
_SHADOW_STEP = 3
# Rays towards the sun begin this far above a surface, in metres.
_ABOVE_SURFACE = 0.006
# Ground that is seen at a flatter angle has no shadow.
_FLATTEST = 0.02


@dataclass(frozen=True)
class Person:
    """A person in the scene.

    Attributes:
        body (Body): The body in its place.
        surface (np.ndarray): Vertices of clothes, hair and naked skin, in
            metres. Shape (V, 3), float32.
        cover (np.ndarray): What covers each vertex, a ``Cover``. (V, ).
        look (Look): Colours.
    """

    body: Body
    surface: np.ndarray
    cover: np.ndarray
    look: Look


@dataclass(frozen=True)
class Light:
    """The sun and the sky.

    Attributes:
        sun (np.ndarray): Unit vector towards the sun. Shape (3, ), float32.
        hardness (float): From 0, an overcast sky, to 1.
    """

    sun: np.ndarray
    hardness: float


class Stage:
    """People in their places, ready for rays.

    Args:
        people (list[Person]): The people.
        anatomy (Anatomy): The body model.
        camera (Camera): The camera.
    """

    def __init__(self, people: list[Person], anatomy: Anatomy, camera: Camera) -> None:
        self.people, self.anatomy, self.camera = people, anatomy, camera
        self._scene = EmbreeScene()
        for person in people:
            TriangleMesh(self._scene, person.surface, anatomy.faces)

    def cast(self) -> Hits:
        """Cast a ray through the middle of each pixel that may show somebody."""
        shape = (self.camera.height, self.camera.width)
        owner, triangle = np.full(shape, NOBODY), np.zeros(shape, int)
        depth, weights = np.full(shape, np.inf), np.zeros((*shape, 3))
        rows, columns = np.nonzero(self._may_be_seen())
        if len(rows):
            rays = self.camera.rays(columns + 0.5, rows + 0.5)
            start = np.tile(self.camera.position, (len(rays), 1))
            found = self._scene.run(start, rays, output=True)
            is_hit = found['geomID'] >= 0
            at = rows[is_hit], columns[is_hit]
            owner[at], triangle[at] = found['geomID'][is_hit], found['primID'][is_hit]
            depth[at] = found['tfar'][is_hit]
            u, v = found['u'][is_hit], found['v'][is_hit]
            weights[at] = np.stack((1 - u - v, u, v), axis=1)
        return Hits(owner, depth, triangle, weights)

    def is_in_shadow(self, points: np.ndarray, sun: np.ndarray) -> np.ndarray:
        """Whether somebody stands between a point (N, 3) and the sun. Shape (N, ), bool."""
        if not len(points):
            return np.zeros(0, bool)
        rays = np.tile(sun, (len(points), 1))
        return self._scene.run(points.astype(np.float32), rays, query='OCCLUDED') >= 0

    def shadow_on_ground(self, light: Light, softness: float) -> np.ndarray:
        """How much of the sun people keep from the ground at each pixel.

        Args:
            light (Light): The sun.
            softness (float): Standard deviation of the shadow's rim in pixels.

        Returns:
            np.ndarray: 0 to 1. Shape (H, W), float32.
        """
        size = (self.camera.width, self.camera.height)
        rows, columns = np.mgrid[: size[1] : _SHADOW_STEP, : size[0] : _SHADOW_STEP]
        rays = self.camera.rays(columns.ravel(), rows.ravel())
        down = -rays[:, 2]
        points = self.camera.position + rays * (
            self.camera.elevation / np.maximum(down, _FLATTEST)
        ).reshape(-1, 1)
        farthest = max((person.surface[:, 1].max() for person in self.people), default=0)
        is_near = (down > _FLATTEST) & (points[:, 1] < farthest + 4)
        shadow = np.zeros(len(points), np.float32)
        shadow[is_near] = self.is_in_shadow(points[is_near] + (0, 0, 0.01), light.sun)
        shadow = cv2.resize(shadow.reshape(rows.shape), size)
        return cv2.GaussianBlur(shadow, (0, 0), softness)

    def _may_be_seen(self) -> np.ndarray:
        """The pixels within a rectangle around each person. Shape (H, W), bool."""
        area = np.zeros((self.camera.height, self.camera.width), bool)
        for person in self.people:
            seen = self.camera.project(person.surface[::7])
            left, top = np.maximum(np.floor(seen.min(axis=0)).astype(int) - 3, 0)
            right, bottom = np.maximum(np.ceil(seen.max(axis=0)).astype(int) + 3, 0)
            area[top:bottom, left:right] = True
        return area


def paint(
    rng: np.random.Generator, stage: Stage, hits: Hits, light: Light, image: np.ndarray
) -> np.ndarray:
    """Paint the people and their shadows over what is behind them.

    Args:
        rng (np.random.Generator): Decides the colour and strength of the light
            and the roughness of the cloth.
        stage (Stage): The people.
        hits (Hits): What the camera's rays hit.
        light (Light): The sun and the sky.
        image (np.ndarray): BGR, shape (H, W, 3), 0 to 255.

    Returns:
        np.ndarray: The image with people. Shape (H, W, 3), float.
    """
    if light.hardness > 0.15:
        shadow = stage.shadow_on_ground(light, rng.uniform(0.8, 3))
        image = image * (1 - 0.55 * light.hardness * shadow[..., None])
    is_seen = hits.owner != NOBODY
    if not is_seen.any():
        return image
    layer = np.zeros(image.shape, np.float32)
    colors, facing, places = _surface(stage, hits, is_seen)
    facing = _roughen(rng, facing, places)
    rows, columns = np.nonzero(is_seen)
    rays = stage.camera.rays(columns + 0.5, rows + 0.5)
    points = stage.camera.position + rays * hits.depth[is_seen][:, None]
    sunlight = np.clip(facing @ light.sun, 0, 1)
    lit = np.flatnonzero(sunlight > 0)
    shaded = stage.is_in_shadow(points[lit] + facing[lit] * _ABOVE_SURFACE, light.sun)
    sunlight[lit[shaded]] = 0
    shade = _shade(rng, facing, sunlight, light, image)
    layer[is_seen] = colors * shade + _gloss(rays, facing, sunlight, light)
    return _blend(image, layer, is_seen)


def _surface(stage, hits, is_seen):
    """Of the points hit: colour, unit normal, and place on the body at rest. (N, 3) each."""
    owner, weights = hits.owner[is_seen], hits.weights[is_seen]
    corners = stage.anatomy.faces[hits.triangle[is_seen]]  # (N, 3)
    places = np.einsum('nc,ncd->nd', weights, stage.anatomy.vertices[corners])
    colors, facing = np.zeros_like(places), np.zeros_like(places)
    for number, person in enumerate(stage.people):
        own = owner == number
        across = normals(person.surface, stage.anatomy.faces)
        facing[own] = np.einsum('nc,ncd->nd', weights[own], across[corners[own]])
        cover = blend_cover(person.cover[corners[own]], weights[own])
        colors[own] = person.look.colors(cover, places[own], stage.anatomy)
    return colors, facing, places


def _roughen(rng, facing, places):
    """Bend normals by two waves over the surface."""
    for _ in range(2):
        wave = np.sin(places @ rng.normal(0, 1, 3) * rng.uniform(60, 160))
        facing = facing + wave[:, None] * rng.normal(0, 0.06, 3)
    return facing / (np.linalg.norm(facing, axis=1, keepdims=True) + 1e-9)


def _shade(rng, facing, sunlight, light, image):
    """Factors of the colours: sky of the background's tint, sun, and exposure. (N, 3)."""
    tint = image.reshape(-1, 3).mean(axis=0)
    tint = 1 + (tint / (tint.mean() + 1) - 1) * rng.uniform(0, 0.7)
    sky = (1 - 0.65 * light.hardness) * (0.62 + 0.28 * facing[:, 2] - 0.1 * facing[:, 1])
    sun = light.hardness * sunlight * rng.uniform(0.75, 1.1)
    exposure = np.clip((image.mean() / 110) ** rng.uniform(0.2, 0.9), 0.35, 1.6)
    total = sky[:, None] * tint + sun[:, None] * (0.94, 1, 1.06)
    return total * exposure * rng.uniform(0.9, 1.25)


def _gloss(rays, facing, sunlight, light):
    """The reflection of the sun on the surface. Shape (N, 1)."""
    half = light.sun - rays / np.linalg.norm(rays, axis=1, keepdims=True)
    half /= np.linalg.norm(half, axis=1, keepdims=True) + 1e-9
    mirrored = np.clip((half * facing).sum(axis=1), 0, 1) ** 20
    return (25 * light.hardness * mirrored * sunlight)[:, None]


def _blend(image, layer, is_seen):
    """Put the layer over the image, with a soft rim of the width of a pixel."""
    alpha = cv2.GaussianBlur(is_seen.astype(np.float32), (3, 3), 0)[..., None]
    around = cv2.dilate(layer, np.ones((3, 3)))
    return image * (1 - alpha) + np.where(is_seen[..., None], layer, around) * alpha
