"""The look of a person's surface: skin, face, hair and clothes."""

from dataclasses import dataclass

import numpy as np

from .anatomy import Anatomy
from .backgrounds import Backgrounds
from .clothes import Cover
from .textures import Texture, sample_colour, sample_texture

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
_IRIS_TONES = ((25, 30, 40), (30, 50, 75), (120, 105, 80), (70, 90, 80))
_EYE_WHITE = (195, 200, 205)
# The face ends this far behind the nose's tip, in metres.
_FACE_DEPTH = 0.07


@dataclass(frozen=True)
class Look:
    """Colours of a person, BGR of shape (3, ).

    Attributes:
        skin (np.ndarray): Colour of the skin.
        hair (np.ndarray): Colour of hair, brows and beard.
        iris (np.ndarray): Colour of the eyes.
        brow (float): Half the thickness of the brows in metres.
        has_beard (bool): Whether there is a beard.
        glasses (np.ndarray, optional): Colour of sunglasses.
        textures (dict[Cover, Texture]): Textures of the clothes.
    """

    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    brow: float
    has_beard: bool
    glasses: np.ndarray | None
    textures: dict[Cover, Texture]

    def colours(self, cover: np.ndarray, places: np.ndarray, anatomy: Anatomy) -> np.ndarray:
        """Compute the colours of points of the surface.

        Args:
            cover (np.ndarray): What covers each point, a ``Cover``. (N, ).
            places (np.ndarray): Where the points are on the body at rest, in
                metres. Shape (N, 3).
            anatomy (Anatomy): The body at rest.

        Returns:
            np.ndarray: BGR, 0 to 255 and a little beyond. Shape (N, 3).
        """
        colours = np.tile(self.skin.astype(float), (len(places), 1))
        self._paint_face(colours, places, anatomy, cover == Cover.SKIN)
        for what, texture in self.textures.items():
            is_what = cover == what
            colours[is_what] = texture(places[is_what])
        is_hair = cover == Cover.HAIR
        x, z = places[is_hair, 0], places[is_hair, 2]
        strands = np.sin(x * 260 + np.sin(z * 40) * 3) + np.sin(x * 710 - np.cos(z * 60) * 5)
        colours[is_hair] = self.hair * (1 + 0.2 * strands)[:, None]
        return colours

    def _paint_face(self, colours, places, anatomy, is_skin):
        x, (_, behind, above) = places[:, 0], (places - anatomy.face).T
        nose = anatomy.keypoints[0, 2] - anatomy.face[2]
        is_face = (behind < _FACE_DEPTH) & is_skin
        cheeks = np.hypot(np.abs(x) - 0.04, above - nose) / 0.035
        _tint(colours, self.skin * (0.82, 0.84, 1.03), is_face * np.exp(-(cheeks**2)))
        if self.has_beard:
            chin = (behind < 0.085) & (above < nose - 0.02) & (above > -0.16)
            _tint(colours, self.hair * 0.8 + self.skin * 0.2, 0.85 * (is_skin & chin))
        for eye in anatomy.keypoints[[1, 2]]:
            aside, up = np.abs(x - eye[0]), places[:, 2] - eye[2]
            _tint(colours, self.skin * 0.6, 0.7 * is_face * _inside(aside, up, 0.022, 0.015))
            _tint(colours, _EYE_WHITE, is_face * _inside(aside, up, 0.013, 0.006))
            _tint(colours, self.iris, is_face * _inside(aside, up, 0.006, 0.0065))
            brow = _inside(aside, above - 0.021, 0.021, self.brow)
            _tint(colours, self.hair * 0.8, 0.8 * is_face * brow)
        mouth = _inside(x, above - nose + 0.034, 0.026, 0.009)
        _tint(colours, self.skin * (0.62, 0.6, 0.88), is_face * mouth)
        nostrils = _inside(np.abs(x) - 0.008, above - nose + 0.012, 0.005, 0.004)
        _tint(colours, self.skin * 0.5, is_face * nostrils)
        if self.glasses is not None:
            lenses = _inside(np.abs(x) - anatomy.keypoints[1, 0], above, 0.03, 0.02)
            _tint(colours, self.glasses, is_face * lenses)


def _inside(aside, up, width, height):
    """1 within an ellipse of half axes in metres, 0 outside, with a soft rim. Shape (N, )."""
    return np.clip(4 - 3.5 * np.hypot(aside / width, up / height), 0, 1)


def _tint(colours, colour, weight):
    """Mix a colour into colours (N, 3), in place, by weights (N, ) from 0 to 1."""
    colours += (colour - colours) * weight[:, None]


def sample_look(rng: np.random.Generator, backgrounds: Backgrounds) -> Look:
    """Draw the colours of a person."""
    skin = np.array(_SKIN_TONES[rng.integers(len(_SKIN_TONES))]) * rng.uniform(0.85, 1.1)
    hair = np.array(_HAIR_TONES[rng.integers(len(_HAIR_TONES))]) * rng.uniform(0.7, 1.3)
    has_beard = bool(rng.random() < 0.18)
    iris = np.array(_IRIS_TONES[rng.integers(len(_IRIS_TONES))])
    brow = rng.uniform(0.003, 0.007)
    glasses = rng.uniform(5, 60) + np.zeros(3) if rng.random() < 0.12 else None
    worn = (Cover.TOP, Cover.TROUSERS, Cover.SHOES, Cover.SHIRT)
    textures = {what: sample_texture(rng, backgrounds) for what in worn}
    cap = sample_colour(rng)
    textures[Cover.CAP] = lambda places: np.broadcast_to(cap, places.shape)
    return Look(skin, hair, iris, brow, has_beard, glasses, textures)
