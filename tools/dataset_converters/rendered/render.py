"""Find by rays which person or thing is at which pixel, in which light and shadow."""

from dataclasses import dataclass

import cv2
import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from .anatomy import Anatomy
from .body import Body, normals
from .camera import NOBODY, THING, Camera, Hits
from .clothes import blend_cover
from .look import Look
from .things import Thing

# The shadow on the ground is computed at every third row and column.
_SHADOW_STEP = 3
# Rays towards the sun begin this far above a surface, in metres.
_ABOVE_SURFACE = 0.006
# The light of the sky is computed at every third row and column, with so many rays.
_SKY_STEP, _SKY_RAYS = 3, 6
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
        things (list[Thing]): What the person holds, wears and sits on.
    """

    body: Body
    surface: np.ndarray
    cover: np.ndarray
    look: Look
    things: list[Thing]


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
        self.things = [thing for person in people for thing in person.things]
        # Who is at a pixel where a mesh is hit: first the people's, then the things'.
        owners = list(range(len(people)))
        owners += [
            number if thing.is_worn else THING
            for number, person in enumerate(people)
            for thing in person.things
        ]
        self._owners = np.array(owners, int)
        self._scene = EmbreeScene()
        for person in people:
            TriangleMesh(self._scene, person.surface, anatomy.faces)
        for thing in self.things:
            TriangleMesh(self._scene, thing.surface, thing.faces)

    def cast(self) -> Hits:
        """Cast a ray through the middle of each pixel that may show somebody."""
        shape = (self.camera.height, self.camera.width)
        owner, mesh = np.full(shape, NOBODY), np.full(shape, -1)
        triangle = np.zeros(shape, int)
        depth, weights = np.full(shape, np.inf), np.zeros((*shape, 3))
        rows, columns = np.nonzero(self._may_be_seen())
        if len(rows):
            rays = self.camera.rays(columns + 0.5, rows + 0.5)
            start = np.tile(self.camera.position, (len(rays), 1))
            found = self._scene.run(start, rays, output=True)
            is_hit = found['geomID'] >= 0
            at = rows[is_hit], columns[is_hit]
            mesh[at], triangle[at] = found['geomID'][is_hit], found['primID'][is_hit]
            owner[at] = self._owners[mesh[at]]
            depth[at] = found['tfar'][is_hit]
            u, v = found['u'][is_hit], found['v'][is_hit]
            weights[at] = np.stack((1 - u - v, u, v), axis=1)
        return Hits(owner, mesh, depth, triangle, weights)

    def is_hidden(self, points: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Whether rays from points (N, 3) in directions (N, 3) hit something. (N, ), bool."""
        if not len(points):
            return np.zeros(0, bool)
        start, rays = points.astype(np.float32), directions.astype(np.float32)
        return self._scene.run(start, rays, query='OCCLUDED') >= 0

    def shadow_on_ground(self, light: Light, softness: float) -> np.ndarray:
        """How much of the sun people and things keep from the ground at each pixel.

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
        start = points[is_near] + (0, 0, 0.01)
        shadow[is_near] = self.is_hidden(start, np.tile(light.sun, (len(start), 1)))
        shadow = cv2.resize(shadow.reshape(rows.shape), size)
        return cv2.GaussianBlur(shadow, (0, 0), softness)

    def _may_be_seen(self) -> np.ndarray:
        """The pixels within a rectangle around each mesh. Shape (H, W), bool."""
        area = np.zeros((self.camera.height, self.camera.width), bool)
        surfaces = [person.surface[::7] for person in self.people]
        surfaces += [thing.surface for thing in self.things]
        for surface in surfaces:
            seen = self.camera.project(surface)
            left, top = np.maximum(np.floor(seen.min(axis=0)).astype(int) - 3, 0)
            right, bottom = np.maximum(np.ceil(seen.max(axis=0)).astype(int) + 3, 0)
            area[top:bottom, left:right] = True
        return area


def paint(
    rng: np.random.Generator, stage: Stage, hits: Hits, light: Light, image: np.ndarray
) -> np.ndarray:
    """Paint the people, their things and their shadows over what is behind them.

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
    colours, facing, places = _surface(stage, hits, is_seen)
    facing = _roughen(rng, facing, places)
    rows, columns = np.nonzero(is_seen)
    rays = stage.camera.rays(columns + 0.5, rows + 0.5)
    points = stage.camera.position + rays * hits.depth[is_seen][:, None]
    sunlight = np.clip(facing @ light.sun, 0, 1)
    lit = np.flatnonzero(sunlight > 0)
    start = points[lit] + facing[lit] * _ABOVE_SURFACE
    shaded = stage.is_hidden(start, np.tile(light.sun, (len(lit), 1)))
    sunlight[lit[shaded]] = 0
    skylight = _sky_seen(rng, stage, points, facing, is_seen)
    shade = _shade(rng, facing, sunlight, skylight, light, image)
    layer[is_seen] = colours * shade + _gloss(rays, facing, sunlight, light)
    return _blend(image, layer, is_seen)


def _surface(stage, hits, is_seen):
    """Of the points hit: colour, unit normal, place on the body at rest or on the thing. (N, 3)."""
    mesh, triangle, weights = hits.mesh[is_seen], hits.triangle[is_seen], hits.weights[is_seen]
    colours, facing, places = np.zeros((3, len(mesh), 3))
    for number, item in enumerate((*stage.people, *stage.things)):
        own = mesh == number
        if not own.any():
            continue
        is_person = number < len(stage.people)
        faces = stage.anatomy.faces if is_person else item.faces
        corners = faces[triangle[own]]  # (N, 3)
        facing[own] = _mix(weights[own], normals(item.surface, faces)[corners])
        if is_person:
            places[own] = _mix(weights[own], stage.anatomy.vertices[corners])
            cover = blend_cover(item.cover[corners], weights[own])
            colours[own] = item.look.colours(cover, places[own], stage.anatomy)
        else:
            places[own] = _mix(weights[own], item.places[corners])
            colours[own] = item.texture(places[own])
    return colours, facing, places


def _mix(weights, of_corners):
    """Mix values of the three corners, (N, 3, 3). Shape (N, 3)."""
    return np.einsum('nc,ncd->nd', weights, of_corners)


def _roughen(rng, facing, places):
    """Bend normals by two waves over the surface."""
    for _ in range(2):
        wave = np.sin(places @ rng.normal(0, 1, 3) * rng.uniform(60, 160))
        facing = facing + wave[:, None] * rng.normal(0, 0.06, 3)
    return facing / (np.linalg.norm(facing, axis=1, keepdims=True) + 1e-9)


def _sky_seen(rng, stage, points, facing, is_seen):
    """The part of the sky before a surface that no person or thing hides, 0 to 1. (N, )."""
    rows, columns = np.nonzero(is_seen)
    some = np.flatnonzero((rows % _SKY_STEP == 0) & (columns % _SKY_STEP == 0))
    total, count = np.zeros((2, *is_seen.shape), np.float32)
    count[rows[some], columns[some]] = 1
    start = points[some] + facing[some] * _ABOVE_SURFACE
    for _ in range(_SKY_RAYS):
        direction = rng.normal(0, 1, (len(some), 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        hidden = stage.is_hidden(start, facing[some] + 0.999 * direction)
        total[rows[some], columns[some]] += ~hidden / np.float32(_SKY_RAYS)
    total, count = (cv2.GaussianBlur(each, (0, 0), _SKY_STEP) for each in (total, count))
    return (total / np.maximum(count, 1e-3))[is_seen]


def _shade(rng, facing, sunlight, skylight, light, image):
    """Factors of the colours: sky of the background's tint, sun, and exposure. (N, 3)."""
    tint = image.reshape(-1, 3).mean(axis=0)
    tint = 1 + (tint / (tint.mean() + 1) - 1) * rng.uniform(0, 0.7)
    sky = (1 - 0.65 * light.hardness) * (0.62 + 0.28 * facing[:, 2] - 0.1 * facing[:, 1])
    sky = sky * (0.3 + 0.85 * skylight)
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
