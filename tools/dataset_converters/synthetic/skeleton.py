"""The body of a drawn person: proportions and forward kinematics.

Body axes: x to the person's left, y up, z forward. After :func:`place` these
are the viewer's axes: x to the right, y up, z towards the viewer. A person
that faces the viewer therefore has the left side on the right of the picture.
The unit is the stature: a standing adult is about 1 high.
"""

from dataclasses import dataclass

import numpy as np

from .pose import SIDES, Pose


@dataclass(frozen=True)
class Proportions:
    """Lengths of the bones and the stoutness; all lengths in statures.

    ``shoulder`` and ``hip`` are half the distance between the two joints,
    ``head`` is the radius of the skull, and ``girth`` multiplies the
    thickness of trunk and limbs.
    """

    head: float
    neck: float
    trunk: float
    shoulder: float
    hip: float
    upper_arm: float
    forearm: float
    hand: float
    thigh: float
    shin: float
    ankle: float
    foot: float
    girth: float


@dataclass(frozen=True)
class Skeleton:
    """A posed body in the viewer's axes, in statures, pelvis at the origin.

    Attributes:
        points (dict[str, np.ndarray]): Joints and ends of bones, each (3,).
        head_axes (np.ndarray): Columns are the head's left, up and forward.
            Shape (3, 3).
        chest_axes (np.ndarray): The same of the chest.
        pelvis_axes (np.ndarray): The same of the pelvis.
    """

    points: dict[str, np.ndarray]
    head_axes: np.ndarray
    chest_axes: np.ndarray
    pelvis_axes: np.ndarray


def sample_proportions(rng: np.random.Generator) -> Proportions:
    """Draw an adult's or, one time in six, a child's proportions."""
    child = rng.random() < 1 / 6
    head, leg = (0.083, 0.86) if child else (0.064, 1.0)
    scale = np.clip(rng.normal(1, 0.05, 12), 0.88, 1.12)
    lengths = scale * (
        head,
        0.055,
        0.28,
        0.112,
        0.064,
        0.163,
        0.142,
        0.055,
        0.245 * leg,
        0.235 * leg,
        0.032,
        0.095,
    )
    return Proportions(*lengths, girth=rng.uniform(0.85, 1.3))


def place(body: Proportions, pose: Pose) -> Skeleton:
    """Forward kinematics: where the joints are, as the viewer sees them.

    Args:
        body (Proportions): Lengths of the bones.
        pose (Pose): Joint angles and view.

    Returns:
        Skeleton: Points named ``neck``, ``head`` (centre of the skull) and,
        with ``left_`` or ``right_`` before them, ``shoulder``, ``elbow``,
        ``wrist``, ``fingers``, ``hip``, ``knee``, ``ankle``, ``heel``,
        ``toes``.
    """
    angle = pose.angles
    view = _turn('z', pose.roll) @ _turn('x', pose.pitch) @ _turn('y', pose.yaw)
    pelvis = view @ _turn('x', angle['lean'])
    chest = (
        pelvis
        @ _turn('x', angle['waist_flexion'])
        @ _turn('z', angle['waist_side'])
        @ _turn('y', angle['waist_twist'])
    )
    head = (
        chest
        @ _turn('y', angle['head_yaw'])
        @ _turn('x', angle['head_pitch'])
        @ _turn('z', angle['head_roll'])
    )

    waist = pelvis @ (0, 0.35 * body.trunk, 0)
    neck = waist + chest @ (0, 0.65 * body.trunk, 0)
    points = {
        'pelvis': np.zeros(3),
        'waist': waist,
        'neck': neck,
        'head': (neck + chest @ (0, body.neck, 0) + head @ (0, 0.9 * body.head, 0.15 * body.head)),
    }
    for side, sign in SIDES.items():
        shoulder = neck + chest @ (sign * body.shoulder, 0, 0)
        arm = (
            chest
            @ _turn('x', -angle[f'{side}_shoulder_flexion'])
            @ _turn('z', sign * angle[f'{side}_shoulder_abduction'])
            @ _turn('y', -sign * angle[f'{side}_shoulder_rotation'])
        )
        elbow = shoulder + arm @ (0, -body.upper_arm, 0)
        forearm = arm @ _turn('x', -angle[f'{side}_elbow_flexion'])
        wrist = elbow + forearm @ (0, -body.forearm, 0)

        hip = pelvis @ (sign * body.hip, 0, 0)
        leg = (
            pelvis
            @ _turn('x', -angle[f'{side}_hip_flexion'])
            @ _turn('z', sign * angle[f'{side}_hip_abduction'])
            @ _turn('y', -sign * angle[f'{side}_hip_rotation'])
        )
        knee = hip + leg @ (0, -body.thigh, 0)
        shin = leg @ _turn('x', angle[f'{side}_knee_flexion'])
        ankle = knee + shin @ (0, -body.shin, 0)
        foot = shin @ _turn('x', -angle[f'{side}_ankle_flexion'])
        joints = dict(
            shoulder=shoulder,
            elbow=elbow,
            wrist=wrist,
            fingers=wrist + forearm @ (0, -body.hand, 0),
            hip=hip,
            knee=knee,
            ankle=ankle,
            heel=ankle + foot @ (0, -body.ankle, -0.2 * body.foot),
            toes=ankle + foot @ (0, -body.ankle, 0.9 * body.foot),
        )
        points.update({f'{side}_{name}': at for name, at in joints.items()})
    return Skeleton(points, head, chest, pelvis)


def _turn(axis: str, degrees: float) -> np.ndarray:
    """Right-handed rotation about one axis, shape (3, 3)."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    first, second = {'x': (1, 2), 'y': (2, 0), 'z': (0, 1)}[axis]
    rotation = np.eye(3)
    rotation[[first, second], [first, second]] = cos
    rotation[first, second] = -sin
    rotation[second, first] = sin
    return rotation
