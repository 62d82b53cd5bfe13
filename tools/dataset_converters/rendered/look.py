"""The look of a person's surface: skin, face, hair and clothes."""

from dataclasses import dataclass

import numpy as np

from .anatomy import Anatomy
from .backgrounds import Backgrounds
from .clothes import Cover
from .textures import Texture, sample_color, sample_texture

# BGR.
_SKIN_TONES = (
    (150, 180, 228),
    (130, 165, 220),
    (110, 145, 205),
    (85, 120, 180),
    (60, 90, 145),
    (40, 58, 98),
    (160, 195, 240),
)
_HAIR_TONES = (
    (15, 18, 22),
    (25, 35, 55),
    (40, 60, 95),
    (70, 120, 175),
    (150, 155, 160),
    (30, 40, 110),
)
_EYE_WHITE, _IRIS = (200, 205, 205), (25, 30, 40)
# The face ends this far behind the nose's tip, in metres.
_FACE_DEPTH = 0.07


@dataclass(frozen=True)
class Look:
    """Colours of a person, BGR of shape (3, ).

    Attributes:
        skin (np.ndarray): Colour of the skin.
        hair (np.ndarray): Colour of hair, brows and beard.
        has_beard (bool): Whether there is a beard.
        textures (dict[Cover, Texture]): Textures of the clothes.
    """

    skin: np.ndarray
    hair: np.ndarray
    has_beard: bool
    textures: dict[Cover, Texture]

    def colors(self, cover: np.ndarray, places: np.ndarray, anatomy: Anatomy) -> np.ndarray:
        """Compute the colours of points of the surface.

        Args:
            cover (np.ndarray): What covers each point, a ``Cover``. (N, ).
            places (np.ndarray): Where the points are on the body at rest, in
                metres. Shape (N, 3).
            anatomy (Anatomy): The body at rest.

        Returns:
            np.ndarray: BGR, 0 to 255 and a little beyond. Shape (N, 3).
        """
        colors = np.tile(self.skin, (len(places), 1))
        self._paint_face(colors, places, anatomy, cover == Cover.SKIN)
        for what, texture in self.textures.items():
            is_what = cover == what
            colors[is_what] = texture(places[is_what])
        is_hair = cover == Cover.HAIR
        x, z = places[is_hair, 0], places[is_hair, 2]
        strands = 1 + 0.3 * np.sin(x * 260 + np.sin(z * 40) * 3)
        colors[is_hair] = self.hair * strands[:, None]
        return colors

    def _paint_face(self, colors, places, anatomy, is_skin):
        x, (_, behind, above) = places[:, 0], (places - anatomy.face).T
        is_face = behind < _FACE_DEPTH
        nose = anatomy.keypoints[0, 2] - anatomy.face[2]
        for eye in anatomy.keypoints[[1, 2]]:
            distance = np.hypot(x - eye[0], places[:, 2] - eye[2])
            colors[is_face & (distance < 0.017)] = self.skin * 0.75
            colors[is_face & (distance < 0.011)] = _EYE_WHITE
            colors[is_face & (distance < 0.006)] = _IRIS
            brow = (np.abs(x - eye[0]) < 0.02) & (np.abs(above - 0.021) < 0.0045)
            colors[is_face & brow] = self.hair * 0.8
        mouth = is_face & (np.abs(x) < 0.024) & (np.abs(above - nose + 0.034) < 0.008)
        colors[mouth] = self.skin * (0.62, 0.6, 0.88)
        nostrils = (np.abs(np.abs(x) - 0.008) < 0.004) & (np.abs(above - nose + 0.012) < 0.003)
        colors[is_face & nostrils] = self.skin * 0.5
        if self.has_beard:
            chin = (behind < 0.085) & (above < nose - 0.02) & (above > -0.16)
            colors[is_skin & chin & ~mouth] = self.hair * 0.8 + self.skin * 0.15


def sample_look(rng: np.random.Generator, backgrounds: Backgrounds) -> Look:
    """Draw the colours of a person."""
    skin = np.array(_SKIN_TONES[rng.integers(len(_SKIN_TONES))]) * rng.uniform(0.85, 1.1)
    hair = np.array(_HAIR_TONES[rng.integers(len(_HAIR_TONES))]) * rng.uniform(0.7, 1.3)
    has_beard = bool(rng.random() < 0.18)
    worn = (Cover.TOP, Cover.TROUSERS, Cover.SHOES, Cover.SHIRT)
    textures = {what: sample_texture(rng, backgrounds) for what in worn}
    cap = sample_color(rng)
    textures[Cover.CAP] = lambda places: np.broadcast_to(cap, places.shape)
    return Look(skin, hair, has_beard, textures)
