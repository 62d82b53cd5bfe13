"""A clip of people who walk past each other."""

from collections.abc import Iterator

import numpy as np

from .backdrop import paint_backdrop
from .figure import dress, sample_outfit
from .pose import ANGLE_LIMITS, SIDES, Pose
from .scene import Item, Picture, compose
from .skeleton import sample_proportions

STRIDE = 0.95
"""The way that a person walks in a cycle of two steps, in statures."""

LIGHT = np.array((0.4, 0.5, 0.8)) / np.linalg.norm((0.4, 0.5, 0.8))
"""Unit vector towards the light."""


def walking_pose(phase: float, yaw: float) -> Pose:
    """The pose of a person who walks.

    Args:
        phase (float): Radians. Two steps take 2 pi.
        yaw (float): Degrees, as in :class:`Pose`.

    Returns:
        Pose: The arms swing against the legs.
    """
    angles = dict.fromkeys(('waist_side', 'waist_twist', 'head_yaw', 'head_roll'), 0.0)
    angles |= dict(lean=3.0, waist_flexion=2.0, head_pitch=4.0)
    for side, sign in SIDES.items():
        swing, forward = sign * np.sin(phase), sign * np.cos(phase)
        limbs = dict(
            hip_flexion=6 + 25 * swing,
            hip_abduction=3,
            hip_rotation=-5,
            knee_flexion=8 + 45 * max(forward, 0),  # of the foot that is in the air
            shoulder_flexion=-24 * swing,
            shoulder_abduction=9,
            shoulder_rotation=15,
            elbow_flexion=22 - 12 * swing,
        )
        ankle = angles['lean'] + limbs['knee_flexion'] - limbs['hip_flexion']
        limbs['ankle_flexion'] = np.clip(ankle, *ANGLE_LIMITS['ankle_flexion'])
        angles |= {f'{side}_{name}': float(angle) for name, angle in limbs.items()}
    return Pose(angles, yaw, pitch=5.0, roll=0.0, activity='stride')


def draw_walk(
    rng: np.random.Generator, size: tuple[int, int], num_frames: int, fps: float, num_people: int
) -> Iterator[Picture]:
    """Draw people who walk from one side of a picture towards the other, at several depths.

    The nearest person walks to the right, the next one to the left, and so on.

    Args:
        rng (np.random.Generator): Decides everything in the clip.
        size (tuple[int, int]): Width and height in pixels.
        num_frames (int): Number of frames.
        fps (float): Frames a second.
        num_people (int): Number of people.

    Yields:
        Picture: A frame, with the people who can be seen in it, from the nearest to the farthest.
        The ``identity`` of a person is the same in all frames: 0 is the nearest.
    """
    width, height = size
    horizon = 0.35 * height
    backdrop = paint_backdrop(rng, width, height, horizon)
    walkers = []
    for k, stature in enumerate(np.linspace(0.72, 0.5, num_people)):  # from near to far
        direction = 1 if k % 2 == 0 else -1
        start = rng.uniform(0.05, 0.3) * width
        walkers.append(
            dict(
                body=sample_proportions(rng),
                outfit=sample_outfit(rng),
                scale=stature * height,
                direction=direction,
                start=start if direction > 0 else width - start,
                pace=rng.uniform(0.4, 0.6),  # cycles a second
                phase=rng.uniform(0, 2 * np.pi),
                yaw=direction * rng.uniform(50, 75),
            )
        )
    for frame in range(num_frames):
        items = []
        for one in walkers:
            cycles = one['pace'] * frame / fps
            pose = walking_pose(one['phase'] + 2 * np.pi * cycles, one['yaw'])
            figure = dress(one['body'], pose, one['outfit'])
            x = one['start'] + one['direction'] * STRIDE * one['scale'] * cycles
            ground = horizon + 0.8 * one['scale']
            lowest = figure.extent[1] * one['scale']
            items.append(Item(figure.solids, (x, ground + lowest), one['scale'], figure))
        yield compose(items, backdrop, LIGHT)
