"""Draw poses on a picture. Needs Pillow and numpy only.

Lines and dots grow with the person, not with the picture. The left side of a body is orange and its
right side is blue. People with any kind of colour vision can tell these two colours apart. The rim
of the lines has one tint for each person. A hidden keypoint is a ring, and an unlabelled keypoint
is not drawn.
"""

import re
from collections.abc import Sequence

import numpy as np

LEFT = (255, 150, 20)
"""Colour of the left side of a body, RGB."""
RIGHT = (40, 130, 255)
"""Colour of the right side of a body, RGB."""
MIDDLE = (245, 245, 245)
"""Colour of what has no side, and of what joins both sides, RGB."""

# Neighbours in the list differ in brightness, which no kind of colour vision loses.
TINTS = (
    (20, 20, 20), (250, 235, 70), (120, 20, 90), (0, 190, 140),
    (240, 130, 190), (0, 80, 60), (190, 190, 190), (150, 30, 20),
)  # fmt: skip
"""Colours of the people, RGB."""

WIDTH = 0.014
"""Width of a line, divided by the person's size: the diagonal of its keypoints or box."""
MIN_WIDTH = 1.2
"""The least width of a line in pixels."""

RIM = 0.4
"""Width of a rim, divided by the width of its line, or by the radius of its joint."""

_WORDS = re.compile(r'[^0-9A-Za-z]+')


def draw_poses(
    image: np.ndarray,
    keypoints: np.ndarray,
    skeleton_links: Sequence[Sequence[int]],
    keypoint_names: Sequence[str],
    visibility: np.ndarray | None = None,
    boxes: np.ndarray | None = None,
    labels: Sequence[str] | None = None,
    identities: Sequence[int] | None = None,
) -> np.ndarray:
    """Draw the people of one picture.

    Args:
        image (np.ndarray): (H, W, 3) uint8, BGR.
        keypoints (np.ndarray): (n, K, 2), x first, in pixels of the picture.
        skeleton_links (Sequence): Pairs of keypoint indices to draw lines between.
        keypoint_names (Sequence[str]): K names. The words ``left`` or ``l`` and ``right`` or
            ``r`` in a name tell its side.
        visibility (np.ndarray, optional): (n, K), as in COCO's annotations: 0 is unlabelled and
            not drawn, 1 is hidden, 2 is visible. Defaults to 2 for all keypoints.
        boxes (np.ndarray, optional): (n, 4) as x1, y1, x2, y2. They are drawn if given.
        labels (Sequence[str], optional): A text to write above each person.
        identities (Sequence[int], optional): Numbers that choose the tints. Defaults to 0, 1, ...

    Returns:
        np.ndarray: A new picture of the same shape.
    """
    drawn = np.array(image)
    keypoints = np.asarray(keypoints, dtype=np.float64)
    if visibility is None:
        visibility = np.full(keypoints.shape[:2], 2)
    visibility = np.where(np.isfinite(keypoints).all(axis=-1), visibility, 0)  # (n, K)
    reach = 4 * max(image.shape[:2])  # Pillow cannot draw to points that are very far away
    keypoints = np.nan_to_num(keypoints).clip(-reach, reach)
    colours = [_side_colour(name) for name in keypoint_names]
    # The best person is the first one: it is drawn last, on top of all others.
    for i in reversed(range(len(keypoints))):
        tint = TINTS[(i if identities is None else identities[i]) % len(TINTS)]
        person = _Person(
            keypoints[i],
            visibility[i],
            None if boxes is None else np.asarray(boxes[i], dtype=np.float64).clip(-reach, reach),
            tint,
        )
        if person.is_drawn:
            _draw_person(drawn, person, skeleton_links, colours)
            if labels is not None:
                _write(drawn, person, labels[i])
    return drawn


class _Person:
    """What is to be drawn of one person, and how large the person is."""

    def __init__(
        self, points: np.ndarray, visibility: np.ndarray, box: np.ndarray | None, tint: tuple
    ) -> None:
        self.points, self.box, self.tint = points, box, tint
        self.shown, self.hidden = visibility > 0, visibility == 1
        extent = points[self.shown]
        if box is not None:
            extent = np.concatenate([extent, box.reshape(2, 2)])
        self.is_drawn = len(extent) > 0
        # (2, 2): the top left and the bottom right corner of what is drawn
        self.corners = np.zeros((2, 2))
        if self.is_drawn:
            self.corners = np.array([extent.min(axis=0), extent.max(axis=0)])
        self.width = max(WIDTH * float(np.linalg.norm(np.ptp(self.corners, axis=0))), MIN_WIDTH)

    def radii(self) -> np.ndarray:
        """Radius (K, ) of each joint, which is less where joints are close, as in a face."""
        gaps = np.linalg.norm(self.points[:, None] - self.points, axis=-1)  # (K, K)
        gaps[:, ~self.shown] = np.inf
        np.fill_diagonal(gaps, np.inf)
        return np.clip(0.3 * gaps.min(axis=1, initial=np.inf), 0.2 * self.width, 1.3 * self.width)

    def bone_width(self, a: int, b: int) -> float:
        """Width of the line between two joints, which is less where they are close."""
        length = np.linalg.norm(self.points[a] - self.points[b])
        return np.clip(0.3 * length, 0.3 * self.width, self.width)


def _side_colour(name: str) -> tuple[int, int, int]:
    words = {word.lower() for word in _WORDS.split(name)}
    if words & {'left', 'l'}:
        return LEFT
    return RIGHT if words & {'right', 'r'} else MIDDLE


def _draw_person(
    drawn: np.ndarray, person: _Person, links: Sequence[Sequence[int]], colours: Sequence[tuple]
) -> None:
    """Draw into the part of the picture where the person is.

    This part is enlarged before the drawing and reduced after it, so that thin lines have smooth
    edges. Pixels where nothing is drawn keep their values.
    """
    from PIL import Image, ImageDraw

    margin = 3 * person.width + 2
    left, top = np.maximum(np.floor(person.corners[0] - margin), 0).astype(int)
    right, bottom = np.ceil(person.corners[1] + margin).astype(int)
    part = drawn[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if not part.size:
        return
    zoom = int(np.clip(1000 // max(part.shape), 1, 4))
    clean = Image.fromarray(np.ascontiguousarray(part[..., ::-1]))
    clean = clean.resize((clean.width * zoom, clean.height * zoom), Image.Resampling.NEAREST)
    canvas = clean.copy()
    draw = ImageDraw.Draw(canvas)
    # Pixel x spans x - 0.5 to x + 0.5 in the picture, and x * zoom to (x + 1) * zoom here.
    points = (person.points + 0.5 - (left, top)) * zoom - 0.5
    radii = person.radii() * zoom

    if person.box is not None:
        corners = (person.box.reshape(2, 2) + 0.5 - (left, top)) * zoom - 0.5
        outline = [(corners[a, 0], corners[b, 1]) for a, b in _AROUND]
        draw.line(outline, fill=person.tint, width=max(round(0.6 * person.width * zoom), 1))
    shown = np.flatnonzero(person.shown).tolist()
    bones = [
        (a, b, zoom * person.bone_width(a, b))
        for a, b in links
        if person.shown[a] and person.shown[b]
    ]
    for a, b, width in bones:
        _line(draw, points[a], points[b], width * (1 + 2 * RIM), person.tint)
    for k in shown:
        _disc(draw, points[k], radii[k] * (1 + RIM), person.tint)
    for a, b, width in bones:
        # The line from the middle to a side, as from the nose to an eye, belongs to the side.
        sides = {colours[a], colours[b]} - {MIDDLE}
        _line(draw, points[a], points[b], width, sides.pop() if len(sides) == 1 else MIDDLE)
    for k in shown:
        _disc(draw, points[k], radii[k], colours[k])
    hidden = [k for k in shown if person.hidden[k]]
    if hidden:
        mask = Image.new('1', canvas.size)
        for k in hidden:
            _disc(draw, points[k], radii[k] * (1 + 2 * RIM), person.tint)
            _disc(draw, points[k], radii[k] * (1 + RIM), colours[k])
            _disc(ImageDraw.Draw(mask), points[k], radii[k], 1)
        canvas.paste(clean, mask=mask)
    part[:] = np.asarray(canvas.reduce(zoom))[..., ::-1]


_AROUND = ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))
"""The corners of a box, one after the other: which of x1, x2 and which of y1, y2."""


def _line(draw, start: np.ndarray, end: np.ndarray, width: float, colour: tuple) -> None:
    draw.line([*start, *end], fill=colour, width=max(round(width), 1))


def _disc(draw, centre: np.ndarray, radius: float, colour: tuple | int) -> None:
    draw.ellipse([*(centre - radius), *(centre + radius)], fill=colour)


def _write(drawn: np.ndarray, person: _Person, text: str) -> None:
    """Write a text above the person, within the picture."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=float(np.clip(7 * person.width, 11, 48)))
    x1, y1, x2, y2 = font.getbbox(text)
    width, height = int(x2 - x1) + 4, int(y2 - y1) + 4
    left, top = person.corners[0] - (0, height + 3 * person.width)
    left = int(np.clip(left, 0, max(drawn.shape[1] - width, 0)))
    top = int(np.clip(top, 0, max(drawn.shape[0] - height, 0)))
    label = Image.new('RGB', (width, height), person.tint)
    dark = sum(person.tint) < 380
    ImageDraw.Draw(label).text((2 - x1, 2 - y1), text, font=font, fill=MIDDLE if dark else TINTS[0])
    part = drawn[top : top + height, left : left + width]
    part[:] = np.asarray(label)[: part.shape[0], : part.shape[1], ::-1]
