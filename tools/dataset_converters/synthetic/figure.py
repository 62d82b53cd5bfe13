"""A drawn person: a skeleton dressed with solids, and its keypoints."""

from dataclasses import dataclass

import cv2
import numpy as np

from .pose import SIDES, Pose, sample_pose
from .render import Colour, Layer, Solid
from .skeleton import Proportions, Skeleton, place, sample_proportions

# The names and the order of COCO's person category.
KEYPOINT_NAMES = (
    'nose',
    'left_eye',
    'right_eye',
    'left_ear',
    'right_ear',
    'left_shoulder',
    'right_shoulder',
    'left_elbow',
    'right_elbow',
    'left_wrist',
    'right_wrist',
    'left_hip',
    'right_hip',
    'left_knee',
    'right_knee',
    'left_ankle',
    'right_ankle',
)

_LIMB_PARTS = ('eye', 'ear', 'upper_arm', 'forearm', 'thigh', 'shin', 'foot')
_SIDE_PARTS = [f'{side}_{part}' for side in SIDES for part in _LIMB_PARTS]
PARTS = {
    name: number
    for number, name in enumerate(['trunk', 'head', 'hair', 'nose', *_SIDE_PARTS], start=1)
}

# On which parts a keypoint is seen, '*' standing for its side; and how far
# below their surface it may lie there, in multiples of its own radius. A far
# hip, say, lies deep below the trunk that hides it.
_SEEN_ON = {
    'nose': ('nose', 'head'),
    'eye': ('*_eye', 'head', 'nose'),
    'ear': ('*_ear', 'head'),
    'shoulder': ('trunk', '*_upper_arm'),
    'elbow': ('*_upper_arm', '*_forearm'),
    'wrist': ('*_forearm',),
    'hip': ('trunk', '*_thigh'),
    'knee': ('*_thigh', '*_shin'),
    'ankle': ('*_shin', '*_foot'),
}
_DEPTH_TOLERANCE = 1.7

_SKIN_TONES = (
    (208, 224, 250),
    (178, 205, 241),
    (150, 190, 232),
    (120, 165, 215),
    (95, 140, 198),
    (70, 108, 165),
    (50, 80, 130),
    (38, 58, 95),
)
_HAIR_TONES = (
    (16, 18, 24),
    (22, 30, 48),
    (24, 42, 74),
    (90, 150, 175),
    (130, 205, 240),
    (25, 55, 150),
    (125, 125, 130),
    (205, 205, 210),
)


@dataclass(frozen=True)
class Outfit:
    """Colours (BGR) and cut of what a person wears.

    ``sleeve`` and ``leg`` say how much of the arm and the leg is covered:
    0 is nothing, 1 reaches the elbow or knee, 2 the wrist or ankle.
    """

    skin: Colour
    hair: Colour
    shirt: Colour
    shirt_stripe: Colour | None
    trousers: Colour
    shoes: Colour
    sleeve: float
    leg: float
    hair_style: str


@dataclass(frozen=True)
class Figure:
    """A posed and dressed person, in statures, pelvis at the origin.

    Attributes:
        solids (list[Solid]): What to paint; parts are numbered by ``PARTS``.
        keypoints (np.ndarray): x to the right, y up, z towards the viewer,
            in the order of ``KEYPOINT_NAMES``. Shape (K, 3).
        radii (np.ndarray): Thickness of the body at each keypoint. (K, ).
        activity (str): Name in ``pose.ACTIVITIES``.
    """

    solids: list[Solid]
    keypoints: np.ndarray
    radii: np.ndarray
    activity: str

    @property
    def extent(self) -> np.ndarray:
        """Left, bottom, right and top of all solids, shape (4,)."""
        ends = np.array([(s.start[:2], s.end[:2]) for s in self.solids])
        radii = np.array([s.radii for s in self.solids])[..., None]
        return np.concatenate(((ends - radii).min(axis=(0, 1)), (ends + radii).max(axis=(0, 1))))


def sample_figure(rng: np.random.Generator) -> Figure:
    """Draw a person: proportions, pose, outfit."""
    return dress(sample_proportions(rng), sample_pose(rng), sample_outfit(rng))


def dress(body: Proportions, pose: Pose, outfit: Outfit) -> Figure:
    """Build a person of given proportions, pose and outfit."""
    skeleton = place(body, pose)
    face, centres, radii = _head(skeleton, body, outfit)
    solids = _trunk(skeleton, body, outfit) + face + _limbs(skeleton, body, outfit)
    for name in KEYPOINT_NAMES:
        if name not in centres:
            centres[name] = skeleton.points[name]
            radii[name] = _thickness(body)[name.split('_')[1]]
    return Figure(
        solids,
        np.array([centres[name] for name in KEYPOINT_NAMES]),
        np.array([radii[name] for name in KEYPOINT_NAMES]),
        pose.activity,
    )


def covered_by_itself(
    figure: Figure, layer: Layer, positions: np.ndarray, scale: float
) -> np.ndarray:
    """Find the keypoints that the own body hides, from the painted maps.

    Args:
        figure (Figure): The person.
        layer (Layer): The person as painted.
        positions (np.ndarray): Column and row of the layer's maps that hold
            each keypoint. Keypoints outside of the maps are not checked.
            Shape (K, 2), integer.
        scale (float): Pixels of the maps in a stature.

    Returns:
        np.ndarray: True where hidden. Shape (K, ), bool.
    """
    height, width = layer.part.shape
    hidden = np.zeros(len(positions), bool)
    for k, (x, y) in enumerate(positions):
        if not (0 <= x < width and 0 <= y < height) or layer.part[y, x] == 0:
            continue
        side, _, joint = KEYPOINT_NAMES[k].rpartition('_')
        seen_on = [PARTS[name.replace('*', side)] for name in _SEEN_ON[joint]]
        above = layer.depth[y, x] / scale - figure.keypoints[k, 2]
        hidden[k] = layer.part[y, x] not in seen_on or above > _DEPTH_TOLERANCE * figure.radii[k]
    return hidden


def sample_colour(rng: np.random.Generator, saturation=(0.05, 0.9), value=(0.15, 0.98)) -> Colour:
    """Draw a BGR colour (0 to 255) by its saturation and value (0 to 1)."""
    hsv = np.array(
        [[[rng.uniform(0, 180), rng.uniform(*saturation) * 255, rng.uniform(*value) * 255]]],
        np.uint8,
    )
    return tuple(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0].tolist())


def sample_outfit(rng: np.random.Generator) -> Outfit:
    """Draw colours and a cut of clothing, and hair."""
    skin = _SKIN_TONES[rng.integers(len(_SKIN_TONES))]
    hair_style = rng.choice(
        ('short', 'long', 'bun', 'cap', 'bald'), p=(0.42, 0.25, 0.1, 0.15, 0.08)
    )
    hair = (
        sample_colour(rng, (0.4, 0.95))
        if hair_style == 'cap'
        else _HAIR_TONES[rng.integers(len(_HAIR_TONES))]
    )
    shirt = sample_colour(rng)
    striped = rng.random() < 0.3
    return Outfit(
        skin=skin,
        hair=hair,
        shirt=shirt,
        shirt_stripe=sample_colour(rng) if striped else None,
        trousers=sample_colour(rng, (0.05, 0.7), (0.1, 0.8)),
        shoes=sample_colour(rng, (0, 0.6), (0.1, 0.95)),
        sleeve=rng.choice((0.05, 0.6, 1.95), p=(0.12, 0.43, 0.45)),
        leg=rng.choice((0.6, 1.95), p=(0.3, 0.7)),
        hair_style=str(hair_style),
    )


def _thickness(body: Proportions) -> dict:
    """Radius of the body at its joints, in statures."""
    return {
        name: radius * body.girth
        for name, radius in dict(
            neck=0.028,
            shoulder=0.036,
            elbow=0.026,
            wrist=0.019,
            fingers=0.017,
            hip=0.054,
            knee=0.037,
            ankle=0.023,
            heel=0.021,
            toes=0.018,
        ).items()
    }


def _trunk(skeleton: Skeleton, body: Proportions, outfit: Outfit) -> list[Solid]:
    points, thick = skeleton.points, _thickness(body)
    part = PARTS['trunk']
    solids = []

    def add(start, end, radii, colour, stripe=None, bands=5):
        solids.append(Solid(start, end, radii, part, colour, stripe, bands))

    stripe = outfit.shirt_stripe
    left, right = points['left_shoulder'], points['right_shoulder']
    middle, inner = (left + right) / 2, 0.82
    add(
        middle + inner * (left - middle),
        middle + inner * (right - middle),
        (thick['shoulder'],) * 2,
        outfit.shirt,
    )
    # Columns from the armpits to the waist and on to the hips, close enough
    # to make one flat body.
    for x in np.linspace(-1, 1, 4):
        armpit = points['neck'] + skeleton.chest_axes @ (x * (body.shoulder - 0.045), -0.035, 0.005)
        waist = points['waist'] + skeleton.chest_axes @ (x * 0.62 * body.hip, 0, 0.004)
        hip = points['pelvis'] + skeleton.pelvis_axes @ (x * body.hip, 0.035, 0)
        add(armpit, waist, (0.054 * body.girth, 0.049 * body.girth), outfit.shirt, stripe)
        add(waist, hip, (0.049 * body.girth, 0.052 * body.girth), outfit.shirt, stripe, 2)
    add(points['left_hip'], points['right_hip'], (thick['hip'],) * 2, outfit.trousers)
    solids.append(Solid(points['neck'], points['head'], (thick['neck'],) * 2, part, outfit.skin))
    return solids


def _head(skeleton: Skeleton, body: Proportions, outfit: Outfit):
    """Solids of the head; centres and radii of its keypoints by name."""
    solids, centres, radii = [], {}, {}

    def add(part, colour, sizes, start, end=None):
        """Sizes and places in radii of the skull, in the axes of the head."""
        ends = [
            skeleton.points['head'] + skeleton.head_axes @ np.multiply(body.head, at)
            for at in (start, start if end is None else end)
        ]
        sizes = (body.head * sizes[0], body.head * sizes[-1])
        solids.append(Solid(*ends, sizes, PARTS[part], tuple(colour)))
        if part in KEYPOINT_NAMES and part not in centres:
            centres[part], radii[part] = ends[0], sizes[0]

    skin, hair = np.array(outfit.skin, float), np.array(outfit.hair, float)
    add('head', skin, (0.95, 0.68), (0, 0.1, 0), (0, -0.6, 0.14))
    add('head', (90, 80, 175), (0.12,), (-0.22, -0.62, 0.66), (0.22, -0.62, 0.66))  # mouth
    add('nose', skin * 0.86, (0.17, 0.1), (0, -0.2, 1.03), (0, 0.08, 0.92))
    for side, sign in SIDES.items():
        add(f'{side}_eye', (245, 245, 245), (0.19,), (sign * 0.36, 0.14, 0.8))
        add(f'{side}_eye', (30, 25, 25), (0.11,), (sign * 0.36, 0.14, 0.92))  # pupil
        ear = (sign * 0.97, 0, -0.02), (sign * 0.93, -0.25, 0)
        add(f'{side}_ear', skin * 0.92, (0.2, 0.14), *ear)

    if outfit.hair_style != 'bald':
        add('hair', hair, (1.02, 0.98), (0, 0.24, -0.18), (0, 0.1, -0.24))
    if outfit.hair_style == 'long':
        add('hair', hair, (0.85, 0.6), (0, -0.1, -0.42), (0, -1.5, -0.5))
    elif outfit.hair_style == 'bun':
        add('hair', hair, (0.42,), (0, 0.75, -1.05))
    elif outfit.hair_style == 'cap':
        for x in (-0.3, 0.3):
            add('hair', hair * 0.85, (0.22, 0.16), (x, 0.72, 0.6), (x * 0.8, 0.62, 1.3))
    return solids, centres, radii


def _limbs(skeleton: Skeleton, body: Proportions, outfit: Outfit) -> list[Solid]:
    points, thick = skeleton.points, _thickness(body)
    solids = []

    def add(side, part, start, end, colour, cloth=0.0, cloth_colour=(), loose=1.2):
        """A bone, and the clothing over a share of it."""
        first, last = points[f'{side}_{start}'], points[f'{side}_{end}']
        r0, r1 = thick[start], thick[end]
        number = PARTS[f'{side}_{part}']
        solids.append(Solid(first, last, (r0, r1), number, colour))
        share = min(cloth, 1.0)
        if share > 0:
            solids.append(
                Solid(
                    first,
                    first + share * (last - first),
                    (r0 * loose, (r0 + share * (r1 - r0)) * loose),
                    number,
                    cloth_colour,
                )
            )

    for side in SIDES:
        add(side, 'upper_arm', 'shoulder', 'elbow', outfit.skin, outfit.sleeve, outfit.shirt)
        add(side, 'forearm', 'elbow', 'wrist', outfit.skin, outfit.sleeve - 1, outfit.shirt)
        add(side, 'forearm', 'wrist', 'fingers', outfit.skin)
        add(side, 'thigh', 'hip', 'knee', outfit.skin, outfit.leg, outfit.trousers, 1.1)
        add(side, 'shin', 'knee', 'ankle', outfit.skin, outfit.leg - 1, outfit.trousers, 1.1)
        add(side, 'foot', 'heel', 'toes', outfit.shoes)
        add(side, 'foot', 'ankle', 'heel', outfit.shoes)
    return solids
