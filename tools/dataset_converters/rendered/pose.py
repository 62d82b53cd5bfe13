"""Poses of people: the angles of joints for each activity."""

from dataclasses import dataclass

import cv2
import numpy as np

# How often each activity is drawn.
KINDS = {
    'stand': 0.3,
    'walk': 0.2,
    'sit': 0.15,
    'crouch': 0.06,
    'reach': 0.15,
    'wild': 0.1,
    'lie': 0.04,
}
SIDES = {'L': 1, 'R': -1}
"""The ending of a bone's name, and the sign of x on this side."""

LIMITS = {
    'abduction': (0, 170),
    'flexion': (-50, 170),
    'elbow': (0, 145),
    'twist': (-80, 80),
    'hip': (-40, 135),
    'knee': (0, 150),
    'spread': (0, 50),
    'turn': (-30, 30),
    'ankle': (-30, 30),
}
"""Least and greatest angle of a joint of a limb, in degrees."""

# In the body at rest, the arms are at this angle from the body.
_ARM_AT_REST = 45


@dataclass(frozen=True)
class Pose:
    """Joints of a person, in degrees.

    Attributes:
        kind (str): Name in ``KINDS``.
        limbs (dict): For each of ``SIDES`` its joints, which are those of
            ``LIMITS``.
        lean (float): How far the back bends forward.
        rotations (dict): For ``spine01``, ``spine03``, ``neck01``, ``head``,
            ``wrist.L`` and ``wrist.R`` rotations about x, y and z, one after
            the other. Shape (3, ) each.
    """

    kind: str
    limbs: dict[str, dict[str, float]]
    lean: float
    rotations: dict[str, np.ndarray]


def sample_pose(rng: np.random.Generator, kind: str | None = None) -> Pose:
    """Draw a pose of a kind, or of any kind."""
    if kind is None:
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    base = str(rng.choice(['stand', 'sit', 'wild'])) if kind == 'lie' else kind
    stride = rng.uniform(8, 48) * rng.choice([-1, 1])
    runs = rng.random() < 0.4
    reaching = rng.choice(list(SIDES))
    limbs = {}
    for name, side in SIDES.items():
        joints = _standing(rng)
        if base == 'walk':
            joints |= _walking(rng, side * stride, runs)
        elif base == 'sit':
            joints |= dict(
                hip=rng.uniform(65, 100),
                knee=rng.uniform(40, 110),
                spread=rng.uniform(0, 25),
                flexion=rng.uniform(5, 60),
                elbow=rng.uniform(20, 100),
            )
        elif base == 'crouch':
            joints |= dict(
                hip=rng.uniform(80, 130),
                knee=rng.uniform(80, 145),
                spread=rng.uniform(0, 30),
                flexion=rng.uniform(10, 90),
                elbow=rng.uniform(0, 100),
            )
        elif base == 'reach' and (name == reaching or rng.random() < 0.5):
            joints |= _reaching(rng)
        elif base == 'wild':
            joints |= _wild(rng)
        limbs[name] = {joint: float(np.clip(a, *LIMITS[joint])) for joint, a in joints.items()}
    lean = dict(sit=rng.uniform(-15, 30), crouch=rng.uniform(10, 50))
    return Pose(
        kind,
        limbs,
        lean.get(base, rng.normal(3, 6)),
        {
            'spine03': rng.normal(0, (0, 4, 4)),
            'spine01': rng.normal(0, (0, 4, 4)),
            'neck01': rng.normal(0, 7, 3),
            'head': rng.normal(0, (10, 6, 18)),
            'wrist.L': rng.normal(0, 12, 3),
            'wrist.R': rng.normal(0, 12, 3),
        },
    )


def bone_rotations(pose: Pose) -> dict[str, np.ndarray]:
    """Turn a pose into rotations of the body model's bones.

    Args:
        pose (Pose): The angles.

    Returns:
        dict[str, np.ndarray]: Rotations by names of bones, (3, 3) float32.
    """
    rotations = {bone: rotation(*angles) for bone, angles in pose.rotations.items()}
    for bone, share in (('spine03', 0.6), ('spine01', 0.4)):
        bend = np.array((pose.lean * share, 0, 0))
        rotations[bone] = rotation(*(pose.rotations[bone] + bend))
    for name, side in SIDES.items():
        joints = pose.limbs[name]
        # In the body at rest: the axis of the elbow, and that of the upper arm.
        elbow_axis = np.array((-0.7, 0, -0.7 * side))
        arm_axis = np.array((0.7, 0, -0.7 * side))
        rotations |= {
            f'upperarm01.{name}': rotation(-joints['flexion'], 0, 0)
            @ rotation(0, side * (_ARM_AT_REST - joints['abduction']), 0)
            @ rotation(*arm_axis * joints['twist']),
            f'lowerarm01.{name}': rotation(*elbow_axis * joints['elbow']),
            # A raised arm also raises the shoulder.
            f'clavicle.{name}': rotation(0, -side * max(0, (joints['abduction'] - 90) / 4), 0),
            f'upperleg01.{name}': rotation(-joints['hip'], 0, 0)
            @ rotation(0, -side * joints['spread'], 0)
            @ rotation(0, 0, side * joints['turn']),
            f'lowerleg01.{name}': rotation(joints['knee'], 0, 0),
            f'foot.{name}': rotation(joints['ankle'], 0, 0),
        }
    return rotations


def rotation(x: float, y: float, z: float) -> np.ndarray:
    """Rotation about the axis (x, y, z) by its length in degrees. Shape (3, 3), float32."""
    return cv2.Rodrigues(np.deg2rad((x, y, z)))[0].astype(np.float32)


def _standing(rng):
    joints = dict(
        abduction=abs(rng.normal(8, 6)),
        flexion=rng.normal(0, 14),
        elbow=abs(rng.normal(12, 18)),
        twist=rng.normal(0, 25),
        hip=rng.normal(0, 5),
        knee=abs(rng.normal(0, 6)),
        spread=abs(rng.normal(4, 4)),
        turn=rng.normal(0, 8),
        ankle=rng.normal(0, 8),
    )
    if rng.random() < 0.25:  # a hand before the body or on the hip
        joints |= dict(
            abduction=rng.uniform(5, 30),
            flexion=rng.uniform(10, 40),
            elbow=rng.uniform(60, 110),
            twist=rng.uniform(20, 60),
        )
    return joints


def _walking(rng, stride, runs):
    """Joints of the side whose leg is `stride` degrees ahead; its arm is as far behind."""
    hip = stride * (1.3 if runs else 1)
    is_ahead = hip > 0 and not runs
    knee = rng.uniform(0, 25) if is_ahead else rng.uniform(10, 95 if runs else 45)
    joints = dict(hip=hip, knee=knee, flexion=-0.8 * stride + rng.normal(0, 6))
    if runs:
        joints['elbow'] = rng.uniform(70, 110)
    return joints


def _reaching(rng):
    elbow = rng.uniform(0, 100 if rng.random() < 0.6 else 20)
    if rng.random() < 0.5:  # aside
        return dict(abduction=rng.uniform(50, 165), flexion=rng.normal(10, 25), elbow=elbow)
    return dict(abduction=rng.uniform(0, 40), flexion=rng.uniform(50, 165), elbow=elbow)


def _wild(rng):
    return dict(
        abduction=rng.uniform(0, 150),
        flexion=rng.uniform(-40, 120),
        elbow=rng.uniform(0, 130),
        twist=rng.normal(0, 40),
        hip=rng.uniform(-30, 100),
        knee=rng.uniform(0, 110),
        spread=rng.uniform(0, 45),
    )
