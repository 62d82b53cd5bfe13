"""A body without clothes: its shape, its pose and its direction."""

from dataclasses import dataclass

import numpy as np

from .anatomy import Anatomy, pose_body
from .pose import Pose, bone_rotations, rotation, sample_pose


@dataclass(frozen=True)
class Body:
    """A body whose lowest point is at z = 0 and whose hips are above the origin, in metres.

    Attributes:
        vertices (np.ndarray): The surface. Shape (V, 3), float32.
        keypoints (np.ndarray): COCO's keypoints. Shape (17, 3).
        kind (str): What the person does, a name in ``pose.KINDS``.
    """

    vertices: np.ndarray
    keypoints: np.ndarray
    kind: str

    @property
    def extent(self) -> float:
        """Height, or half the length of a lying body, at least 0.5 m."""
        width, depth, height = np.ptp(self.vertices, axis=0)
        return max(height, 0.5 * width, 0.5 * depth, 0.5)

    def moved(self, by: np.ndarray) -> 'Body':
        """A copy of the body, moved by a vector of shape (3, ) in metres."""
        vertices = (self.vertices + by).astype(np.float32)
        return Body(vertices, self.keypoints + by, self.kind)


def sample_body(rng: np.random.Generator, anatomy: Anatomy) -> Body:
    """Draw a body of any shape, age from about ten years, pose and direction."""
    pose = sample_pose(rng)
    shape = {name: float(rng.uniform(0.15, 0.85)) for name in anatomy.model.phenotype_labels}
    shape['age'] = float(rng.uniform(0.3, 0.62) if rng.random() < 0.2 else rng.uniform(0.62, 0.98))
    return make_body(anatomy, pose, shape, _sample_direction(rng, pose.kind))


def make_body(anatomy: Anatomy, pose: Pose, shape: dict[str, float], direction: np.ndarray) -> Body:
    """Pose a body, turn it, and put it on the ground.

    Args:
        anatomy (Anatomy): The body model.
        pose (Pose): The angles of its joints.
        shape (dict[str, float]): Values from 0 to 1 by names of phenotypes.
        direction (np.ndarray): Rotation of the whole body. Shape (3, 3).

    Returns:
        Body: The body. Without a turn it faces -y.
    """
    vertices, keypoints = pose_body(anatomy.model, anatomy.regressor, bone_rotations(pose), shape)
    vertices, keypoints = vertices @ direction.T, keypoints @ direction.T
    hips = keypoints[[11, 12]].mean(axis=0)
    origin = np.array((hips[0], hips[1], vertices[:, 2].min()))
    return Body(vertices - origin.astype(np.float32), keypoints - origin, pose.kind)


def normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals at vertices, from the triangles around them by their areas.

    Args:
        vertices (np.ndarray): Shape (V, 3).
        faces (np.ndarray): Shape (F, 3), integer.

    Returns:
        np.ndarray: Shape (V, 3); 0 where a vertex has no triangle.
    """
    first, second, third = (vertices[faces[:, corner]] for corner in range(3))
    across = np.cross(second - first, third - first)
    total = np.zeros(vertices.shape)
    for corner in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(faces[:, corner], across[:, axis], len(vertices))
    return total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-9)


def _sample_direction(rng, kind):
    """Mostly towards the camera. Some people lean. Lying people lie on the back or the front."""
    if kind == 'lie':
        fall = rotation(float(rng.choice([-90, 90])), 0, 0)
        return rotation(0, 0, rng.uniform(-180, 180)) @ fall
    yaw = rng.normal(0, 45) if rng.random() < 0.62 else rng.uniform(-180, 180)
    direction = rotation(0, 0, yaw)
    if rng.random() < 0.12:
        direction = rotation(rng.normal(0, 12), rng.normal(0, 18), 0) @ direction
    return direction
