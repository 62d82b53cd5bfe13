"""The body model of the package anny, and the regions of its surface."""

import importlib.util
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch

PACKAGES = ('anny', 'roma', 'trimesh', 'embreex', 'safetensors')

# Which part of the body a bone belongs to: the first word found in its name.
_PART_OF_BONE = (
    ('eye', 'eye'),
    ('clavicle', 'torso'),
    ('shoulder', 'torso'),
    ('upperarm', 'upper_arm'),
    ('lowerarm', 'forearm'),
    ('wrist', 'hand'),
    ('finger', 'hand'),
    ('metacarpal', 'hand'),
    ('upperleg', 'thigh'),
    ('lowerleg', 'shank'),
    ('foot', 'foot'),
    ('toe', 'foot'),
    ('neck', 'neck'),
    ('head', 'head'),
    ('jaw', 'head'),
    ('tongue', 'head'),
    ('oris', 'head'),
    ('levator', 'head'),
    ('orbicul', 'head'),
    ('temporalis', 'head'),
    ('oculi', 'head'),
    ('risorius', 'head'),
    ('special', 'head'),
)

# The parts of a limb: the keypoints (of the right side; the left is one less)
# between which a place is measured, and the limb's length so far.
_LIMBS = {
    'upper_arm': (6, 8, 0),
    'forearm': (8, 10, 1),
    'hand': (8, 10, 1),
    'thigh': (12, 14, 0),
    'shank': (14, 16, 1),
    'foot': (14, 16, 1),
}


def require_packages() -> None:
    """Check that the packages of the renderer are installed.

    Raises:
        ModuleNotFoundError: If not. The message names the missing packages and
            the command that installs them.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f'rendering people needs packages that are not installed: {", ".join(missing)}. '
            f'Install them with: pip install --no-deps {" ".join(PACKAGES)}'
        )


@dataclass(frozen=True)
class Anatomy:
    """The body at rest, whose regions are those of every body, and the model that poses it.

    Lengths are in metres: +x is the person's left, +y is behind the person, and
    +z is up, with the ground at 0. V, the number of vertices, is the same for
    every body.

    Attributes:
        model (torch.nn.Module): The package's model of the body.
        regressor (torch.nn.Module): Reads keypoints from a body.
        faces (np.ndarray): Vertices of each triangle. Shape (F, 3), int32.
        vertices (np.ndarray): The body at rest. Shape (V, 3).
        keypoints (np.ndarray): COCO's keypoints at rest. Shape (17, 3).
        parts (np.ndarray): Name of the part of the body. Shape (V, ).
    """

    model: torch.nn.Module
    regressor: torch.nn.Module
    faces: np.ndarray
    vertices: np.ndarray
    keypoints: np.ndarray
    parts: np.ndarray

    def is_part(self, *names: str) -> np.ndarray:
        """Whether each vertex belongs to one of the parts. Shape (V, ), bool."""
        return np.isin(self.parts, names)

    @cached_property
    def along_limb(self) -> np.ndarray:
        """How far along its limb a vertex is: 0 at shoulder or hip, 1 at elbow or knee, 2 at
        wrist or ankle. 0 where there is no limb. Shape (V, )."""
        along = np.zeros(len(self.vertices))
        for part, (start, end, done) in _LIMBS.items():
            for left in (0, 1):
                is_side = (self.vertices[:, 0] > 0) == bool(left)
                chosen = self.is_part(part) & is_side
                first, last = self.keypoints[start - left], self.keypoints[end - left]
                bone = last - first
                share = (self.vertices[chosen] - first) @ bone / (bone @ bone)
                along[chosen] = np.clip(share, 0, 1.3) + done
        return along

    @cached_property
    def up_torso(self) -> np.ndarray:
        """Height of a vertex, 0 at the hips and 1 at the shoulders. Shape (V, )."""
        shoulders, hips = self.keypoints[[5, 6], 2].mean(), self.keypoints[[11, 12], 2].mean()
        return (self.vertices[:, 2] - hips) / (shoulders - hips)

    @cached_property
    def face(self) -> np.ndarray:
        """The origin of the face: at the height of the eyes, at the depth of the nose. (3, )."""
        return np.array((0, self.keypoints[0, 1], self.keypoints[[1, 2], 2].mean()))

    @cached_property
    def from_face(self) -> np.ndarray:
        """The vertices relative to ``face``. Shape (V, 3)."""
        return self.vertices - self.face

    @cached_property
    def forehead(self) -> float:
        """From the eyes to the top of the head, in metres."""
        return self.from_face[:, 2].max()

    @cached_property
    def is_scalp(self) -> np.ndarray:
        """Where hair grows. Shape (V, ), bool."""
        behind, above = self.from_face[:, 1], self.from_face[:, 2]
        top = above > 0.52 * self.forehead
        back = (behind > 0.085) & (above > -0.065)
        brow = (behind < 0.06) & (above < 0.5 * self.forehead)
        return self.is_part('head') & (top | back) & ~brow

    @cached_property
    def is_front(self) -> np.ndarray:
        """The half of the torso that looks ahead. Shape (V, ), bool."""
        return self.vertices[:, 1] < np.median(self.vertices[self.is_part('torso'), 1])


@lru_cache(maxsize=1)
def load_anatomy() -> Anatomy:
    """Load the body model, once in a process.

    Nothing is downloaded: the model and COCO's keypoints are in the package
    anny. anny can download files that are not free for all uses, but only to
    convert its bodies to SMPL's, and this program never does that. The first
    start takes longer: anny builds the model, and keeps it in its cache
    (``ANNY_CACHE_DIR``, or ``.cache/anny`` in the home folder).

    PyTorch is set to one thread, because the bytes of the pictures must not
    depend on the machine, and because several processes draw at a time.

    Returns:
        Anatomy: The body of mean shape.

    Raises:
        ModuleNotFoundError: A package is missing.
    """
    require_packages()
    import anny

    torch.set_num_threads(1)
    model = anny.Anny().to(torch.float32)
    regressor = anny.KeypointsRegressor.coco(model)
    vertices, keypoints = pose_body(model, regressor, {}, {})
    ground = np.array((0, 0, vertices[:, 2].min()))
    return Anatomy(
        model,
        regressor,
        model.get_triangular_faces().numpy().astype(np.int32),
        vertices - ground,
        keypoints - ground,
        _parts_of_vertices(model),
    )


def pose_body(
    model: torch.nn.Module,
    regressor: torch.nn.Module,
    rotations: dict[str, np.ndarray],
    shape: dict[str, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Give a body a shape and a pose.

    Args:
        model (torch.nn.Module): The body model.
        regressor (torch.nn.Module): Reads keypoints from a body.
        rotations (dict[str, np.ndarray]): Rotations from the body at rest by
            names of bones, each of shape (3, 3). Other bones do not turn.
        shape (dict[str, float]): Values from 0 to 1 by names of phenotypes,
            such as ``age``. Others are 0.5.

    Returns:
        tuple[np.ndarray, np.ndarray]: Vertices, shape (V, 3), and COCO's
        keypoints, shape (17, 3), in metres.
    """
    pose = torch.eye(4).repeat(1, len(model.bone_labels), 1, 1)
    for bone, rotation in rotations.items():
        pose[0, model.bone_labels.index(bone), :3, :3] = torch.from_numpy(rotation)
    phenotype = {name: torch.tensor([shape.get(name, 0.5)]) for name in model.phenotype_labels}
    with torch.no_grad():
        body = model(pose_parameters=pose, phenotype_kwargs=phenotype)
        return body['vertices'][0].numpy(), regressor(body)[0, :17].numpy()


def _parts_of_vertices(model: torch.nn.Module) -> np.ndarray:
    """The part of the bone that moves a vertex most. Shape (V, )."""
    strongest = model.vertex_bone_weights.numpy().argmax(1)[:, None]
    bones = np.take_along_axis(model.vertex_bone_indices.numpy(), strongest, 1)[:, 0]
    return np.array([_part_of_bone(name) for name in model.bone_labels])[bones]


def _part_of_bone(name: str) -> str:
    name = name.lower()
    return next((part for word, part in _PART_OF_BONE if word in name), 'torso')
