"""Things that people hold, wear, ride, sit on and work at."""

from dataclasses import dataclass

import numpy as np
from trimesh import Trimesh, creation, util
from trimesh.geometry import align_vectors

from .anatomy import Anatomy
from .backgrounds import Backgrounds
from .body import Body
from .textures import Texture, sample_texture

# How often a person has each of them.
_SHARE_HOLDING, _SHARE_BACKPACK, _SHARE_SKIRT, _SHARE_HAT = 0.5, 0.1, 0.12, 0.1
_SHARE_BOARD, _SHARE_TABLE, _SHARE_RIDING = 0.15, 0.25, 0.3
# Poses of people who stand on their feet.
_UPRIGHT = ('stand', 'walk', 'reach', 'crouch')
_DOWN = np.array((0.0, 0.0, -1.0))
# From the wrist to the middle of the hand, in metres.
_TO_PALM = 0.08


@dataclass(frozen=True)
class Thing:
    """A thing in the scene.

    Attributes:
        surface (np.ndarray): Vertices in metres. Shape (V, 3), float32.
        faces (np.ndarray): Vertices of each triangle. Shape (F, 3), int32.
        places (np.ndarray): The vertices before the thing was put into its
            place, for the texture. Shape (V, 3).
        texture (Texture): Colours.
        is_worn (bool): Whether the thing counts as a part of the person, as
            clothes do.
    """

    surface: np.ndarray
    faces: np.ndarray
    places: np.ndarray
    texture: Texture
    is_worn: bool = False


def sample_things(
    rng: np.random.Generator, body: Body, anatomy: Anatomy, backgrounds: Backgrounds
) -> list[Thing]:
    """Draw the things of a person.

    Args:
        rng (np.random.Generator): Decides the things.
        body (Body): The person's body in its place.
        anatomy (Anatomy): The body model.
        backgrounds (Backgrounds): Pictures to print on things.

    Returns:
        list[Thing]: The things. Those on a table are things of their own.
    """
    meshes: list[tuple[Trimesh, np.ndarray]] = []
    for side in (0, 1):
        if rng.random() < _SHARE_HOLDING:
            meshes.append(_hold(rng, body, side))
    if rng.random() < _SHARE_BACKPACK:
        meshes.append(
            (_sample_box(rng, (0.24, 0.36), (0.1, 0.22), (0.34, 0.55)), _torso_frame(body))
        )
    if rng.random() < _SHARE_HAT:
        meshes.append(_hat(rng, body, anatomy))
    if body.kind in _UPRIGHT and rng.random() < _SHARE_BOARD:
        meshes += _boards(rng, body)
    if body.kind == 'sit':
        is_riding = rng.random() < _SHARE_RIDING
        meshes += _vehicle(rng, body) if is_riding else _seat(rng, body)
    if rng.random() < _SHARE_TABLE:
        meshes += _table(rng, body)
    things = [_to_thing(mesh, frame, sample_texture(rng, backgrounds)) for mesh, frame in meshes]
    if body.kind in ('stand', 'walk', 'sit', 'reach') and rng.random() < _SHARE_SKIRT:
        skirt = _skirt(rng, body, anatomy)
        things.append(_to_thing(*skirt, sample_texture(rng, backgrounds), is_worn=True))
    return things


def _to_thing(mesh, frame, texture, is_worn=False) -> Thing:
    placed = mesh.copy().apply_transform(frame)
    surface = np.asarray(placed.vertices, np.float32)
    return Thing(surface, np.asarray(mesh.faces, np.int32), mesh.vertices.copy(), texture, is_worn)


def _frame(origin, left=None, up=None) -> np.ndarray:
    """The map, (4, 4), from a thing's own axes (left, behind, up) to the scene's."""
    up = _unit(np.array((0, 0, 1.0)) if up is None else up)
    left = np.array((1.0, 0, 0)) if left is None else left
    left = _unit(left - (left @ up) * up)
    frame = np.eye(4)
    frame[:3, :3] = np.stack((left, np.cross(up, left), up), axis=1)
    frame[:3, 3] = origin
    return frame


def _unit(vector) -> np.ndarray:
    return vector / (np.linalg.norm(vector) + 1e-9)


def _torso_frame(body) -> np.ndarray:
    """Behind the middle of the back."""
    shoulders, hips = body.keypoints[[5, 6]], body.keypoints[[11, 12]]
    up = shoulders.mean(axis=0) - hips.mean(axis=0)
    frame = _frame(shoulders.mean(axis=0) - 0.45 * up, shoulders[0] - shoulders[1], up)
    frame[:3, 3] += 0.2 * frame[:3, 1]
    return frame


def _level_frame(body, height) -> np.ndarray:
    """Below the hips at a height in metres, level, in the direction of the pelvis."""
    hips = body.keypoints[[11, 12]]
    aside = (hips[0] - hips[1]) * (1, 1, 0)
    return _frame((*hips.mean(axis=0)[:2], height), aside)


def _sample_box(rng, *ranges) -> Trimesh:
    return _flat(creation.box([rng.uniform(*each) for each in ranges]))


def _box(extents, middle) -> Trimesh:
    mesh = creation.box(extents)
    return _flat(mesh.apply_translation(middle))


def _flat(mesh) -> Trimesh:
    """Give each triangle its own corners, so that edges stay sharp."""
    mesh.unmerge_vertices()
    return mesh


def _hold(rng, body, side) -> tuple[Trimesh, np.ndarray]:
    """What a hand holds (0: left, 1: right)."""
    elbow, wrist = body.keypoints[7 + side], body.keypoints[9 + side]
    forearm = _unit(wrist - elbow)
    palm = wrist + _TO_PALM * forearm
    kind = rng.choice(['stick', 'small', 'bag', 'ball'], p=[0.4, 0.3, 0.2, 0.1])
    direction = _unit(rng.normal(0, 1, 3) + forearm * rng.uniform(0, 2))
    if kind == 'stick':
        return _stick(rng), _frame(palm, np.cross(direction, (0.3, 0.5, 0.8)), direction)
    if kind == 'bag':
        drop = rng.uniform(0.18, 0.5)
        bag = _sample_box(rng, (0.05, 0.2), (0.15, 0.45), (0.15, 0.45))
        strap = creation.cylinder(0.008, segment=((0, 0, 0), (0, 0, drop)))
        mesh = util.concatenate(bag, strap)
        return mesh, _frame(palm + drop * _DOWN, rng.normal(0, 1, 3) * (1, 1, 0))
    if kind == 'ball':
        radius = rng.uniform(0.03, 0.15)
        return creation.icosphere(2, radius), _frame(palm + forearm * radius)
    if rng.random() < 0.5:
        small = creation.cylinder(rng.uniform(0.025, 0.05), rng.uniform(0.08, 0.2), sections=16)
    else:
        small = _sample_box(rng, (0.06, 0.4), (0.01, 0.05), (0.1, 0.32))
    return small, _frame(palm + 0.03 * forearm, rng.normal(0, 1, 3), rng.normal(0, 1, 3))


def _stick(rng) -> Trimesh:
    """A bat, pole, racket or umbrella along z, held near its end."""
    length, radius = rng.uniform(0.3, 1.7), rng.uniform(0.006, 0.035)
    stick = creation.cylinder(radius, segment=((0, 0, -0.15), (0, 0, length)), sections=12)
    kind = rng.choice(['bare', 'racket', 'umbrella'], p=[0.65, 0.25, 0.1])
    if kind == 'racket':
        head = creation.cylinder(rng.uniform(0.08, 0.17), 0.02, sections=24)
        head.apply_transform(align_vectors((0, 0, 1), (0, 1, 0)))
        head.apply_translation((0, 0, length))
        return util.concatenate(stick, head)
    if kind == 'umbrella':
        canopy = creation.cone(rng.uniform(0.35, 0.6), rng.uniform(0.15, 0.3), sections=8)
        return util.concatenate(stick, _flat(canopy.apply_translation((0, 0, length - 0.1))))
    return stick


def _hat(rng, body, anatomy) -> tuple[Trimesh, np.ndarray]:
    """A hat with a brim, or a helmet."""
    head = body.vertices[anatomy.is_part('head')]
    eyes, ears = body.keypoints[[1, 2]].mean(axis=0), body.keypoints[[3, 4]]
    middle, left = ears.mean(axis=0), _unit(ears[0] - ears[1])
    ahead = eyes - middle
    up = _unit(np.cross(ahead, left))
    top = ((head - middle) @ up).max()
    radius = rng.uniform(0.09, 0.11)
    if rng.random() < 0.5:
        helmet = creation.icosphere(2, 1.0)
        helmet.apply_scale((radius * 1.1, radius * 1.25, top * 0.75))
        return helmet, _frame(middle + up * top * 0.5, left, up)
    crown = creation.cylinder(radius, segment=((0, 0, 0), (0, 0, top * 0.7)), sections=20)
    brim = creation.cylinder(radius * rng.uniform(1.2, 2.2), 0.01, sections=24)
    return util.concatenate(crown, brim), _frame(middle + up * top * 0.5, left, up)


def _boards(rng, body) -> list[tuple[Trimesh, np.ndarray]]:
    """One board below both feet, or a ski below each foot."""
    left, right = body.keypoints[15], body.keypoints[16]
    ground = body.vertices[:, 2].min()
    if rng.random() < 0.35:
        ski = _sample_box(rng, (0.06, 0.12), (1.2, 1.9), (0.01, 0.03))
        return [
            (ski, _frame((*ankle[:2], ground), (left - right) * (1, 1, 0)))
            for ankle in (left, right)
        ]
    board = _sample_box(rng, (0.7, 1.8), (0.18, 0.5), (0.02, 0.1))
    middle = (left + right) / 2
    return [(board, _frame((*middle[:2], ground - 0.02), (left - right) * (1, 1, 0)))]


def _seat(rng, body) -> list[tuple[Trimesh, np.ndarray]]:
    """A stool, a chair, an armchair or a bench; nothing if the person sits on the ground."""
    top = body.keypoints[[11, 12], 2].mean() - 0.09
    if top < 0.15:
        return []
    width, depth = rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.55)
    if rng.random() < 0.3:
        width *= rng.uniform(2, 4)
    thick = rng.choice([0.04, 0.12, top])
    parts = [_box((width, depth, thick), (0, -0.08, -thick / 2))]
    if thick < top:
        radius = rng.uniform(0.01, 0.03)
        parts += [
            creation.cylinder(radius, segment=((x, y, 0), (x, y, -top)), sections=8)
            for x in (-0.45 * width, 0.45 * width)
            for y in (-0.08 - 0.45 * depth, -0.08 + 0.45 * depth)
        ]
    if rng.random() < 0.65:
        back = rng.uniform(0.3, 0.75)
        parts.append(_box((width, 0.05, back), (0, depth / 2 - 0.05, back / 2)))
        if rng.random() < 0.4:
            parts += [_box((0.07, depth, 0.2), (x, -0.08, 0.1)) for x in (-width / 2, width / 2)]
    return [(util.concatenate(parts), _level_frame(body, top))]


def _vehicle(rng, body) -> list[tuple[Trimesh, np.ndarray]]:
    """A bicycle, a motorbike or an animal without legs, below the rider; -y is ahead."""
    top = body.keypoints[[11, 12], 2].mean() - 0.09
    if rng.random() < 0.35:
        animal = creation.capsule(rng.uniform(0.7, 1.2), rng.uniform(0.17, 0.3), count=(12, 12))
        animal.apply_transform(align_vectors((0, 0, 1), (0, 1, 0)))
        back = animal.vertices[:, 2].max()
        animal.apply_translation((0, -0.3 - animal.vertices[:, 1].mean(), -back))
        neck = creation.cylinder(0.12, segment=((0, -0.9, -0.1), (0, -1.3, 0.5)), sections=12)
        return [(util.concatenate(animal, neck), _level_frame(body, top + 0.06))]
    wheel, tyre = rng.uniform(0.26, 0.36), rng.uniform(0.012, 0.06)
    parts = []
    for hub_y in (-0.85, 0.3):
        ring = creation.torus(wheel, tyre, major_sections=28, minor_sections=8)
        ring.apply_transform(align_vectors((0, 0, 1), (1, 0, 0)))
        parts.append(ring.apply_translation((0, hub_y, wheel + tyre - top)))
    thick = rng.uniform(0.015, 0.09)
    hub = wheel + tyre - top
    for start, end in (
        ((0, 0.3, hub), (0, -0.05, 0)),
        ((0, -0.05, 0), (0, -0.25, hub)),
        ((0, -0.25, hub), (0, -0.7, 0.05)),
        ((0, -0.05, -0.05), (0, -0.7, 0.05)),
        ((0, -0.85, hub), (0, -0.68, 0.2)),
        ((-0.25, -0.68, 0.2), (0.25, -0.68, 0.2)),
    ):
        parts.append(creation.cylinder(thick, segment=(start, end), sections=8))
    return [(util.concatenate(parts), _level_frame(body, top))]


def _table(rng, body) -> list[tuple[Trimesh, np.ndarray]]:
    """A table or a counter before the person, and things on it; -y is ahead."""
    hips, shoulders = body.keypoints[[11, 12]].mean(axis=0), body.keypoints[[5, 6]].mean(axis=0)
    top = hips[2] + rng.uniform(0.05, 0.6) * max(shoulders[2] - hips[2], 0.1)
    width, depth, thick = rng.uniform(0.5, 2.2), rng.uniform(0.4, 0.9), rng.choice([0.04, top])
    frame = _level_frame(body, top)
    middle = -(depth / 2 + rng.uniform(0.12, 0.3))
    parts = [_box((width, depth, thick), (rng.normal(0, 0.2), middle, -thick / 2))]
    for _ in range(rng.integers(0, 5)):
        height, radius = rng.uniform(0.04, 0.3), rng.uniform(0.03, 0.12)
        on_top = rng.uniform(-0.5, 0.5) * width, middle + rng.uniform(-0.4, 0.4) * depth
        parts.append(
            creation.cylinder(radius, segment=((*on_top, 0), (*on_top, height)), sections=14)
        )
    return [(part, frame) for part in parts]


def _skirt(rng, body, anatomy) -> tuple[Trimesh, np.ndarray]:
    """Cloth around both legs, from the waist to a hem."""
    is_waist = anatomy.is_part('torso') & (anatomy.up_torso < 0.25)
    hem = rng.uniform(0.4, 1.6)
    is_leg = anatomy.is_part('thigh', 'shank') & (anatomy.along_limb < hem)
    hips = body.keypoints[[11, 12]].mean(axis=0)
    points = body.vertices[is_waist | is_leg] - hips
    points = points * (1.12, 1.12, 1.0)
    return Trimesh(points).convex_hull, _frame(hips)
