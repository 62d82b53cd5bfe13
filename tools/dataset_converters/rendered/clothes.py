"""Clothes and hair: which regions of the body they cover, and how thick they are."""

from enum import IntEnum

import numpy as np

from .anatomy import Anatomy
from .body import normals


class Cover(IntEnum):
    """What covers a vertex."""

    SKIN = 0
    TOP = 1
    TROUSERS = 2
    SHOES = 3
    HAIR = 4
    CAP = 5
    SHIRT = 6  # seen under an open jacket, or printed on the chest


def sample_clothes(rng: np.random.Generator, anatomy: Anatomy) -> tuple[np.ndarray, np.ndarray]:
    """Draw clothes and hair.

    Args:
        rng (np.random.Generator): Decides the clothes and the hair.
        anatomy (Anatomy): The regions of the body.

    Returns:
        tuple[np.ndarray, np.ndarray]: What covers each vertex, a ``Cover``, and
        its height above the skin in metres. Both have shape (V, ).
    """
    cover = np.full(len(anatomy.vertices), Cover.SKIN)
    height = np.zeros(len(anatomy.vertices))
    _put_on_trousers(rng, anatomy, cover, height)
    _put_on_top(rng, anatomy, cover, height)
    if rng.random() > 0.12:
        _put_on_shoes(rng, anatomy, cover, height)
    if rng.random() > 0.07:
        _grow_hair(rng, anatomy, cover, height)
    if rng.random() < 0.14:
        _put(Cover.CAP, 0.018, _crown(anatomy), cover, height)
    is_cloth = np.isin(cover, (Cover.TOP, Cover.TROUSERS, Cover.SHIRT))
    height += is_cloth * _folds(rng, anatomy.vertices)
    return cover, height


def grow(vertices: np.ndarray, faces: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Move vertices outwards.

    Args:
        vertices (np.ndarray): Of the posed body. Shape (V, 3).
        faces (np.ndarray): Shape (F, 3), integer.
        height (np.ndarray): The way of each vertex in metres. Shape (V, ).

    Returns:
        np.ndarray: Shape (V, 3), float32.
    """
    return (vertices + normals(vertices, faces) * height[:, None]).astype(np.float32)


def blend_cover(corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Find what covers points of triangles, from what covers the corners.

    Args:
        corners (np.ndarray): What covers the corners. Shape (N, 3), integer.
        weights (np.ndarray): How near each corner is; the sum is 1. (N, 3).

    Returns:
        np.ndarray: The cover with the most weight. Shape (N, ).
    """
    votes = (corners[:, :, None] == corners[:, None]) @ weights[..., None]  # (N, 3, 1)
    winner = votes[..., 0].argmax(axis=1)
    return np.take_along_axis(corners, winner[:, None], axis=1)[:, 0]


def _put(what, how_high, where, cover, height):
    cover[where] = what
    height[where] = how_high


def _put_on_trousers(rng, anatomy, cover, height):
    """From pants to long trousers, narrow or wide below the knee."""
    length = rng.choice([0.18, 0.5, 0.95, 1.9], p=[0.07, 0.15, 0.13, 0.65])
    is_leg = anatomy.is_part('thigh', 'shank', 'foot')
    hips = anatomy.is_part('torso') & (anatomy.up_torso < 0.22)
    region = hips | (is_leg & (anatomy.along_limb < length))
    _put(Cover.TROUSERS, rng.uniform(0.004, 0.016), region, cover, height)
    if length > 0.9:
        height[region & is_leg & (anatomy.along_limb > 0.8)] += rng.uniform(0, 0.022)


def _put_on_top(rng, anatomy, cover, height):
    """From a sleeveless top to a coat that reaches the thighs; at times open in front."""
    sleeve = rng.choice([0, 0.35, 0.6, 1.5, 1.93], p=[0.12, 0.18, 0.2, 0.1, 0.4])
    hem, collar = rng.uniform(-0.28, 0.12), rng.uniform(0.95, 1.1)
    aside = np.abs(anatomy.vertices[:, 0])
    is_torso = anatomy.is_part('torso')
    trunk = (
        is_torso & (anatomy.up_torso > hem) & (anatomy.up_torso < collar + 0.25 * (aside > 0.07))
    )
    sleeves = anatomy.is_part('upper_arm', 'forearm') & (anatomy.along_limb < sleeve)
    is_leg = anatomy.is_part('thigh', 'shank', 'foot')
    skirt = is_leg & (anatomy.up_torso > hem) & (anatomy.along_limb < 0.4) & (hem < 0)
    region = trunk | sleeves | skirt
    _put(Cover.TOP, rng.uniform(0.008, 0.026), region, cover, height)
    is_front = region & is_torso & anatomy.is_front
    _mark_front(rng, anatomy.up_torso, aside, is_front, cover, height)


def _mark_front(rng, up_torso, aside, is_front, cover, height):
    """Make the front unlike the back: by an open jacket, a print on the chest or a low neck."""
    kind = rng.choice(['open', 'print', 'neck', 'plain'], p=[0.25, 0.2, 0.25, 0.3])
    if kind == 'open':
        cover[is_front & (aside < rng.uniform(0.02, 0.07))] = Cover.SHIRT
    elif kind == 'print':
        low = rng.uniform(0.45, 0.7)
        is_between = (up_torso > low) & (up_torso < low + rng.uniform(0.08, 0.3))
        cover[is_front & is_between & (aside < rng.uniform(0.05, 0.13))] = Cover.SHIRT
    elif kind == 'neck':
        low, slope = rng.uniform(0.65, 0.9), rng.uniform(0.2, 1.2)
        _put(Cover.SKIN, 0, is_front & (up_torso > low + aside / slope), cover, height)


def _put_on_shoes(rng, anatomy, cover, height):
    shaft = rng.choice([1.93, 1.75], p=[2 / 3, 1 / 3])
    ankle = anatomy.is_part('shank') & (anatomy.along_limb > shaft)
    region = (anatomy.is_part('foot') | ankle) & (cover != Cover.TROUSERS)
    _put(Cover.SHOES, 0.01, region, cover, height)


def _grow_hair(rng, anatomy, cover, height):
    """Short hair, or long hair that hangs behind and at the sides."""
    thickness = rng.uniform(0.008, 0.04)
    _put(Cover.HAIR, thickness, anatomy.is_scalp, cover, height)
    if rng.random() < 0.4:
        aside = np.abs(anatomy.vertices[:, 0])
        behind, above = anatomy.from_face[:, 1], anatomy.from_face[:, 2]
        nape = anatomy.is_part('head', 'neck') & (behind > 0.07)
        is_back = anatomy.is_part('torso') & ~anatomy.is_front & (aside < 0.1)
        back = is_back & (anatomy.up_torso > rng.uniform(0.55, 0.95))
        long = (nape | back) & (above < 0.5 * anatomy.forehead)
        _put(Cover.HAIR, max(thickness, 0.03), long, cover, height)


def _crown(anatomy):
    return anatomy.is_part('head') & (anatomy.from_face[:, 2] > 0.38 * anatomy.forehead)


def _folds(rng, places):
    """Waves of the cloth in metres, from places on the body at rest (V, 3). Shape (V, )."""
    waves = [
        depth * np.sin(places @ rng.normal(0, 1, 3) * rng.uniform(20, 70) + rng.uniform(0, 6))
        for depth in (0.003, 0.0025, 0.002)
    ]
    return sum(waves) * rng.uniform(0.3, 1.6)
