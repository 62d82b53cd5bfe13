"""The pose of a drawn person: joint angles, drawn within plausible limits."""

from dataclasses import dataclass

import numpy as np

SIDES = {'left': 1, 'right': -1}

# Degrees. Flexion is forward (of a knee: backward), abduction outward,
# rotation inward about the limb's own axis.
ANGLE_LIMITS = {
    'lean': (-20, 85),
    'waist_flexion': (-15, 60),
    'waist_side': (-25, 25),
    'waist_twist': (-35, 35),
    'head_yaw': (-65, 65),
    'head_pitch': (-30, 35),
    'head_roll': (-25, 25),
    'shoulder_flexion': (-50, 175),
    'shoulder_abduction': (0, 170),
    'shoulder_rotation': (-60, 85),
    'elbow_flexion': (0, 145),
    'hip_flexion': (-25, 120),
    'hip_abduction': (-8, 55),
    'hip_rotation': (-45, 35),
    'knee_flexion': (0, 140),
    'ankle_flexion': (-50, 30),
}

# fmt: off
# Mean and spread of the angles of the legs, and of the trunk over them, each
# with how often it is drawn. ``_other`` is the second leg where the two differ.
ACTIVITIES = {
    'stand': dict(weight=30, hip_flexion=(0, 6), hip_abduction=(5, 4), knee_flexion=(4, 5)),
    'stride': dict(
        weight=18, hip_flexion=(26, 10), hip_abduction=(3, 3), knee_flexion=(12, 9),
        hip_flexion_other=(-14, 6), knee_flexion_other=(28, 14), lean=(4, 4)),
    'run': dict(
        weight=8, hip_flexion=(62, 14), hip_abduction=(3, 3), knee_flexion=(70, 18),
        hip_flexion_other=(-15, 7), knee_flexion_other=(45, 25), lean=(12, 6)),
    'straddle': dict(
        weight=9, hip_flexion=(4, 6), hip_abduction=(27, 9), knee_flexion=(10, 9)),
    'sit': dict(
        weight=15, hip_flexion=(86, 7), hip_abduction=(10, 7), knee_flexion=(82, 13),
        lean=(0, 7), waist_flexion=(8, 7)),
    'crouch': dict(
        weight=8, hip_flexion=(108, 9), hip_abduction=(17, 9), knee_flexion=(120, 11),
        lean=(18, 8), waist_flexion=(18, 9)),
    'kneel': dict(
        weight=4, hip_flexion=(84, 7), hip_abduction=(7, 4), knee_flexion=(88, 8),
        hip_flexion_other=(-2, 5), knee_flexion_other=(92, 9)),
    'bow': dict(
        weight=5, hip_flexion=(52, 14), hip_abduction=(7, 5), knee_flexion=(10, 8),
        lean=(48, 14), waist_flexion=(18, 9)),
    'kick': dict(
        weight=3, hip_flexion=(72, 14), hip_abduction=(7, 5), knee_flexion=(14, 11),
        hip_flexion_other=(-4, 5), knee_flexion_other=(10, 7), lean=(-6, 5)),
}

# The same of an arm.
GESTURES = {
    'hang': dict(
        weight=34, shoulder_flexion=(2, 10), shoulder_abduction=(10, 6),
        shoulder_rotation=(20, 20), elbow_flexion=(14, 10)),
    'swing': dict(
        weight=14, shoulder_flexion=(5, 32), shoulder_abduction=(8, 5),
        shoulder_rotation=(10, 12), elbow_flexion=(48, 26)),
    'akimbo': dict(
        weight=8, shoulder_flexion=(-12, 7), shoulder_abduction=(42, 6),
        shoulder_rotation=(65, 9), elbow_flexion=(92, 9)),
    'raise': dict(
        weight=13, shoulder_flexion=(5, 10), shoulder_abduction=(148, 14),
        shoulder_rotation=(0, 20), elbow_flexion=(22, 18)),
    'wave': dict(
        weight=8, shoulder_flexion=(10, 10), shoulder_abduction=(92, 12),
        shoulder_rotation=(-52, 9), elbow_flexion=(85, 18)),
    'spread': dict(
        weight=8, shoulder_flexion=(5, 10), shoulder_abduction=(85, 14),
        shoulder_rotation=(0, 15), elbow_flexion=(12, 10)),
    'reach': dict(
        weight=9, shoulder_flexion=(78, 20), shoulder_abduction=(8, 8),
        shoulder_rotation=(10, 15), elbow_flexion=(18, 16)),
    'fold': dict(
        weight=9, shoulder_flexion=(28, 12), shoulder_abduction=(14, 7),
        shoulder_rotation=(58, 12), elbow_flexion=(98, 14)),
}
# fmt: on


@dataclass(frozen=True)
class Pose:
    """Joint angles in degrees, and how the viewer sees the person.

    Attributes:
        angles (dict[str, float]): Angle by name; those of ``ANGLE_LIMITS``
            with ``left_`` or ``right_`` before the names of limbs.
        yaw (float): 0 faces the viewer, 90 the right border of the picture,
            180 shows the back.
        pitch (float): Positive is seen from above.
        roll (float): Turn within the picture, counter-clockwise.
        activity (str): Name in ``ACTIVITIES``.
    """

    angles: dict[str, float]
    yaw: float
    pitch: float
    roll: float
    activity: str


def sample_pose(rng: np.random.Generator) -> Pose:
    """Draw a plausible pose: an activity, a gesture of each arm, a view."""
    angles = {
        'waist_flexion': rng.normal(3, 5),
        'waist_side': rng.normal(0, 6),
        'waist_twist': rng.normal(0, 10),
        'head_yaw': rng.normal(0, 22),
        'head_pitch': rng.normal(4, 10),
        'head_roll': rng.normal(0, 7),
        'lean': rng.normal(0, 3),
    }
    activity = _choose(rng, ACTIVITIES)
    legs = ACTIVITIES[activity]
    first, second = rng.permutation(list(SIDES))
    for name in ('lean', 'waist_flexion'):
        if name in legs:
            angles[name] = rng.normal(*legs[name])
    for side, suffix in ((first, ''), (second, '_other')):
        for name in ('hip_flexion', 'hip_abduction', 'knee_flexion'):
            spread = legs.get(name + suffix, legs[name])
            angles[f'{side}_{name}'] = rng.normal(*spread)
        angles[f'{side}_hip_rotation'] = rng.normal(-8, 9)

    gesture = _choose(rng, GESTURES)
    for side in (first, second):
        for name in (
            'shoulder_flexion',
            'shoulder_abduction',
            'shoulder_rotation',
            'elbow_flexion',
        ):
            angles[f'{side}_{name}'] = rng.normal(*GESTURES[gesture][name])
        if rng.random() < 0.55:  # often the other arm does something else
            gesture = _choose(rng, GESTURES)

    for side in SIDES:
        # The sole stays flat on the ground as far as the ankle can bend.
        angles[f'{side}_ankle_flexion'] = (
            angles['lean'] + angles[f'{side}_knee_flexion'] - angles[f'{side}_hip_flexion']
        )
    for name, value in angles.items():
        bare = name.split('_', 1)[1] if name.split('_')[0] in SIDES else name
        angles[name] = float(np.clip(value, *ANGLE_LIMITS[bare]))

    facing = rng.choice(4, p=(0.45, 0.2, 0.2, 0.15))
    yaw = (
        rng.normal(0, 22),
        rng.normal(180, 25),
        rng.choice((-90, 90)) + rng.normal(0, 18),
        rng.uniform(-180, 180),
    )[facing]
    lying = rng.random() < 0.03
    roll = rng.choice((-90, 90)) + rng.normal(0, 12) if lying else rng.normal(0, 5)
    return Pose(angles, float(yaw), float(rng.normal(6, 6)), float(roll), activity)


def _choose(rng: np.random.Generator, table: dict[str, dict]) -> str:
    weights = np.array([entry['weight'] for entry in table.values()], float)
    return str(rng.choice(list(table), p=weights / weights.sum()))
