"""A picture of people: who stands where, and who is seen."""

from dataclasses import dataclass

import cv2
import numpy as np

from .backdrop import make_seat, paint_backdrop, sample_thing
from .figure import Figure, covered_by_itself, sample_figure
from .render import Layer, Solid, paint

# COCO scores no more than 20 detections in a picture (maxDets).
MAX_PEOPLE = 20

# Pictures are painted this many times finer; odd, so that the middle of a
# pixel is a sample and says to whom the pixel belongs.
_FINENESS = 3

# Who is seen less than this is left out of the picture, as no annotator
# would have found the person: share of the own area, pixels, keypoints.
_MIN_SEEN_SHARE = 0.25
_MIN_SEEN_PIXELS = 16
_MIN_SEEN_KEYPOINTS = 3

# Even in a small picture nobody is drawn smaller, in pixels.
_MIN_STATURE = 16
# A crowd of fewer is none.
_MIN_CROWD = 3


@dataclass(frozen=True)
class Item:
    """A person or a thing in its place.

    Attributes:
        solids (list[Solid]): What to paint, in statures.
        origin (tuple[float, float]): Where the origin of the solids comes to
            lie, in picture pixels (x, y); whole numbers are the middles of
            pixels.
        scale (float): Picture pixels in a stature.
        figure (Figure, optional): The person; None for a thing.
        in_crowd (bool): Whether the person belongs to the crowd region and
            is not annotated alone.
    """

    solids: list[Solid]
    origin: tuple[float, float]
    scale: float
    figure: Figure | None = None
    in_crowd: bool = False


@dataclass(frozen=True)
class Person:
    """What is seen of a person.

    Attributes:
        mask (np.ndarray): Pixels that show the person. (H, W), bool.
        keypoints (np.ndarray): x, y in picture pixels and COCO's visibility:
            2 is visible, 1 is hidden by somebody, something or the own body,
            0 (with x = y = 0) is outside of the picture. Shape (K, 3).
        in_crowd (bool): Whether the person belongs to the crowd region.
        identity (int, optional): The person's place among the items of the
            picture. In a clip it is the same in all frames.
    """

    mask: np.ndarray
    keypoints: np.ndarray
    in_crowd: bool
    identity: int | None = None


@dataclass(frozen=True)
class Picture:
    """A picture: BGR uint8 (H, W, 3), the people in it, and the quality (0 to 100) of its JPEG."""

    image: np.ndarray
    people: list[Person]
    jpeg_quality: int = 92


def draw_picture(
    rng: np.random.Generator, size: int, num_people: int | None = None, crowd_region: bool = False
) -> Picture:
    """Draw a picture of people.

    Args:
        rng (np.random.Generator): Decides everything in the picture.
        size (int): Long side in pixels; the short side is 0.6 to 1 of it.
        num_people (int, optional): How many people to place, at most
            ``MAX_PEOPLE``. Hidden people are then left out. Defaults to a few.
        crowd_region (bool): Whether there is also a crowd. All people
            together are still at most ``MAX_PEOPLE``.

    Returns:
        Picture: The picture, with at least one person outside the crowd.
    """
    short = round(size * rng.uniform(0.6, 1))
    width, height = (size, short) if rng.random() < 0.6 else (short, size)
    horizon = rng.uniform(0.2, 0.55) * height
    backdrop = paint_backdrop(rng, width, height, horizon)
    light = np.array((rng.uniform(-0.7, 0.7), rng.uniform(-0.1, 0.9), 0.8))
    light /= np.linalg.norm(light)
    num_crowd = int(rng.integers(6, 12)) if crowd_region else 0
    if num_people is None:
        num_people = int(
            rng.choice(np.arange(1, 9), p=(0.34, 0.25, 0.16, 0.1, 0.06, 0.04, 0.03, 0.02))
        )
    num_people = min(num_people, MAX_PEOPLE - num_crowd)
    while True:
        items = _arrange(rng, width, height, horizon, num_people, num_crowd)
        picture = compose(items, backdrop, light)
        crowd = sum(person.in_crowd for person in picture.people)
        if crowd < len(picture.people) and (not crowd_region or crowd >= _MIN_CROWD):
            return Picture(_photograph(rng, picture.image), picture.people)


def compose(items: list[Item], backdrop: np.ndarray, light: np.ndarray) -> Picture:
    """Paint items over a backdrop and read from the picture who is seen.

    Args:
        items (list[Item]): From the nearest to the farthest. A person is
            left out if too little of the person can be seen.
        backdrop (np.ndarray): BGR, shape (H, W, 3), uint8.
        light (np.ndarray): Unit vector towards the light, shape (3,).

    Returns:
        Picture: The image, and the people that are seen in it.
    """
    height, width = backdrop.shape[:2]
    fine_size = (width * _FINENESS, height * _FINENESS)
    canvas = cv2.resize(backdrop, fine_size, interpolation=cv2.INTER_NEAREST)
    taken = np.zeros(canvas.shape[:2], bool)
    middles = (slice(_FINENESS // 2, None, _FINENESS),) * 2
    people = []
    for identity, item in enumerate(items):
        origin = _to_fine(np.array(item.origin))
        layer = paint(item.solids, origin, item.scale * _FINENESS, fine_size, light)
        if not layer.part.any():
            continue
        seen = (layer.part > 0) & ~taken[layer.window]
        if item.figure is not None:
            shown = np.zeros_like(taken)
            shown[layer.window] = seen
            keypoints = _see_keypoints(item, layer, taken)
            person = Person(shown[middles].copy(), keypoints, item.in_crowd, identity)
            area = np.count_nonzero(layer.part)
            if (
                person.mask.sum() < _MIN_SEEN_PIXELS
                or seen.sum() < _MIN_SEEN_SHARE * area
                or np.sum(person.keypoints[:, 2] == 2) < _MIN_SEEN_KEYPOINTS
            ):
                continue
            people.append(person)
        taken[layer.window] |= seen
        cv2.copyTo(layer.image, seen.view(np.uint8), canvas[layer.window])
    image = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return Picture(image, people)


def _see_keypoints(item: Item, layer: Layer, taken: np.ndarray) -> np.ndarray:
    """Keypoints of a person just painted, before ``taken`` includes it."""
    figure = item.figure
    height, width = (side // _FINENESS for side in taken.shape)
    # y is up in the figure and down in the picture.
    xy = np.round(item.origin + figure.keypoints[:, :2] * item.scale * (1, -1), 2)
    inside = np.all((xy >= 0) & (xy <= (width - 1, height - 1)), axis=1)
    fine = np.round(_to_fine(xy)).astype(int)
    covered = covered_by_itself(
        figure, layer, fine - (layer.left, layer.top), item.scale * _FINENESS
    )
    covered[inside] |= taken[fine[inside, 1], fine[inside, 0]]
    keypoints = np.column_stack((xy, np.where(covered, 1, 2)))
    keypoints[~inside] = 0
    return keypoints


def _to_fine(xy: np.ndarray) -> np.ndarray:
    """Picture pixels to canvas pixels; both count from pixel middles."""
    return (xy + 0.5) * _FINENESS - 0.5


def _arrange(rng, width, height, horizon, num_people, num_crowd):
    """Place people and things, and order them from near to far."""
    placed = []  # (nearness, items)
    boxes = []
    tallness = rng.uniform(0.75, 1.5)  # heads are on the horizon at 1
    for _ in range(num_people):
        scale = max(height * _sample_stature(rng, num_people), _MIN_STATURE)
        ground = min(horizon + tallness * scale, height * rng.uniform(0.9, 1.04))
        items = _stand(rng, width, height, ground, scale, boxes)
        placed.append((scale * rng.uniform(0.85, 1.15), items))
    for k in range(rng.integers(0, 5)):
        # Most things are behind everybody; the first may be in between.
        scale = height * rng.uniform(0.15, 0.8)
        ground = min(horizon + tallness * scale, height * 1.1)
        item = Item(sample_thing(rng), (rng.uniform(0, width), ground), scale)
        placed.append((scale if k == 0 else -1, [item]))
    placed += _arrange_crowd(rng, width, height, horizon, num_crowd)
    placed.sort(key=lambda entry: -entry[0])
    return [item for _, items in placed for item in items]


def _stand(rng, width, height, ground, scale, boxes):
    """Place a person, mostly where few are yet; note the place in ``boxes``."""
    figure = sample_figure(rng)
    left, bottom, right, top = figure.extent * scale
    if top - bottom > 1.05 * height:  # a close-up: the head is in the picture
        ground = height * rng.uniform(-0.05, 0.25) + (top - bottom)
    ground = max(ground, top - bottom)

    def box_at(x):
        half = (right - left) / 2
        return (x - half, ground - (top - bottom), x + half, ground)

    tries = width * rng.uniform(0.06, 0.94, 6 if rng.random() < 0.75 else 1)
    centre = min(tries, key=lambda x: _overlap(box_at(x), boxes))
    boxes.append(box_at(centre))
    origin = (centre - (left + right) / 2, ground + bottom)
    items = [Item(figure.solids, origin, scale, figure)]
    if figure.activity == 'sit':
        seat = make_seat(rng, -bottom / scale - 0.05)
        items.append(Item(seat, (origin[0], ground), scale))
    return items


def _arrange_crowd(rng, width, height, horizon, num_crowd):
    """People close together and far away, between the others and things."""
    scale = max(height * rng.uniform(0.14, 0.24), _MIN_STATURE)
    start = rng.uniform(0, max(width - 0.3 * num_crowd * scale, 1))
    ground = min(horizon + rng.uniform(0.4, 1) * scale, height)
    placed = []
    for k in range(num_crowd):
        figure = sample_figure(rng)
        bottom = figure.extent[1] * scale
        origin = (
            start + (0.3 * k + rng.uniform(0, 0.25)) * scale,
            ground + rng.uniform(0, 0.3) * scale + bottom,
        )
        placed.append((0, [Item(figure.solids, origin, scale, figure, True)]))
    return placed


def _sample_stature(rng, num_people):
    """Stature as a share of the picture's height: smaller among many."""
    if num_people > 8:
        return rng.uniform(0.16, 0.5)
    if num_people > 4:
        return rng.uniform(0.22, 0.75)
    kind = rng.random()
    if kind < 0.1 and num_people < 3:
        return rng.uniform(1, 1.7)
    if kind < 0.2:
        return rng.uniform(0.2, 0.42)
    return rng.uniform(0.42, 1)


def _overlap(box, others):
    """Sum of the shares of the smaller box that two boxes have in common."""
    total = 0.0
    for other in others:
        w = min(box[2], other[2]) - max(box[0], other[0])
        h = min(box[3], other[3]) - max(box[1], other[1])
        if w > 0 and h > 0:
            areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)]
            total += w * h / min(areas)
    return total


def _photograph(rng, image):
    """What a camera adds: a little blur, contrast, brightness and noise."""
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.9))
    values = image.astype(np.float32)
    values = (values - 128) * rng.uniform(0.8, 1.1) + 128 + rng.normal(0, 9)
    noise = rng.standard_normal(image.shape, np.float32)
    values += noise * np.float32(rng.uniform(0, 6))
    return np.clip(values, 0, 255).astype(np.uint8)
