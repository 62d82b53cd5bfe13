"""A rendered picture: the camera, the people, and things behind and before them."""

import cv2
import numpy as np
from synthetic.scene import Picture

from .anatomy import Anatomy
from .annotate import annotate
from .backgrounds import Backgrounds
from .body import sample_body
from .camera import Camera
from .clothes import grow, sample_clothes
from .look import sample_look
from .render import Light, Person, Stage, paint
from .textures import sample_colour
from .things import sample_things

# How often a picture shows how many people.
NUM_PEOPLE = {0: 0.12, 1: 0.35, 2: 0.2, 3: 0.12, 4: 0.08, 6: 0.07, 9: 0.06}
# Width by height, and how often.
_ASPECTS = {1: 0.15, 4 / 3: 0.35, 3 / 4: 0.2, 3 / 2: 0.2, 2 / 3: 0.1}
# Pictures are painted this many times larger than they are written.
_FINENESS = 1.5
# Nobody stands nearer, in metres.
_NEAREST = 0.5
# How often the picture shows only a part of the first person, and how often it is not level.
_SHARE_CLOSE, _SHARE_ROLLED = 0.25, 0.25


def render_picture(
    rng: np.random.Generator,
    anatomy: Anatomy,
    backgrounds: Backgrounds,
    size: int,
    num_people: int | None = None,
) -> Picture:
    """Render people before a piece of a picture.

    Args:
        rng (np.random.Generator): Decides everything in the picture.
        anatomy (Anatomy): The body model.
        backgrounds (Backgrounds): Pictures to put behind people and on clothes.
        size (int): Long side in pixels; the short side is 2/3 to 1 of it.
        num_people (int, optional): Number of people to place. Hidden people are
            not annotated. Defaults to a draw from ``NUM_PEOPLE``.

    Returns:
        Picture: The picture and its people.
    """
    if num_people is None:
        num_people = int(rng.choice(list(NUM_PEOPLE), p=list(NUM_PEOPLE.values())))
    aspect = rng.choice(list(_ASPECTS), p=list(_ASPECTS.values()))
    width, height = round(size * min(aspect, 1)), round(size / max(aspect, 1))
    fine = round(width * _FINENESS), round(height * _FINENESS)
    image = _paint_background(rng, backgrounds, *fine)
    people, camera = _place_people(rng, anatomy, backgrounds, num_people, *fine)
    stage = Stage(people, anatomy, camera)
    hits = stage.cast()
    image = paint(rng, stage, hits, _sample_light(rng), image)
    is_covered = np.zeros(hits.owner.shape, bool)
    if people and rng.random() < 0.45:
        for _ in range(rng.integers(1, 4)):
            image, covers = _put_before(rng, backgrounds, image)
            is_covered |= covers
    bodies = [person.body for person in people]
    annotated = annotate(bodies, hits, is_covered, camera, (width, height))
    image = cv2.resize(np.clip(image, 0, 255), (width, height), interpolation=cv2.INTER_AREA)
    return Picture(_photograph(rng, image), annotated, jpeg_quality=int(rng.integers(55, 96)))


def _paint_background(rng, backgrounds, width, height):
    """A piece of a picture with things before it, at times out of focus. (H, W, 3)."""
    image = backgrounds.sample(rng, width, height)
    if rng.random() < 0.6:
        for _ in range(rng.integers(1, 9)):
            image, _ = _lay_over(rng, backgrounds, image, _sample_outline(rng, width, height))
    if rng.random() < 0.35:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 3.5))
    return image


def _place_people(rng, anatomy, backgrounds, count, width, height):
    """Draw people and their places, and the camera that sees the first one well."""
    focal = rng.uniform(0.9, 2.2) * max(width, height)
    elevation = rng.choice([rng.uniform(0.7, 1.8), rng.uniform(1.2, 3.5)])
    smallest, largest = (0.3, 1.2) if count < 3 else (0.25, 1.0)
    is_close = rng.random() < _SHARE_CLOSE
    if is_close:
        smallest, largest = 1.2, 5.0
    horizon, first_distance, people = height / 2, None, []
    for _ in range(count):
        body = sample_body(rng, anatomy)
        cover, thickness = sample_clothes(rng, anatomy)
        if first_distance is None or rng.random() < 0.15:
            share = np.exp(rng.uniform(np.log(smallest), np.log(largest)))
            distance = focal * body.extent / (share * height)
        else:
            distance = first_distance * rng.uniform(0.7, 1.6)
        distance = max(distance, _NEAREST)
        if first_distance is None:
            first_distance = distance
            middle = height * rng.uniform(0.3, 0.7 if share < 1 else 0.5)
            if share >= 1:  # the head rather than the feet of who is larger than the picture
                up = rng.uniform(0.85, 1.1) if rng.random() < 0.8 else rng.uniform(0.2, 1)
                middle += 0.5 * (share - 1) * height * up
            horizon = middle - focal * (elevation - body.extent / 2) / distance
        margin = 0.2 if is_close else 0.04
        column = rng.uniform(margin, 1 - margin) * width
        lifted = rng.uniform(0, 0.3) if body.kind == 'sit' and rng.random() < 0.7 else 0
        aside = (column - width / 2) / focal * distance
        body = body.moved(np.array((aside, distance, lifted)))
        surface = grow(body.vertices, anatomy.faces, thickness)
        look = sample_look(rng, backgrounds)
        things = sample_things(rng, body, anatomy, backgrounds)
        people.append(Person(body, surface, cover, look, things))
    roll = rng.normal(0, 12) if rng.random() < _SHARE_ROLLED else 0.0
    return people, Camera(width, height, focal, horizon, elevation, roll)


def _sample_light(rng):
    """A sun above the horizon, mostly behind the camera."""
    sun = rng.normal(0, 1, 3)
    sun[2] = abs(sun[2]) + 0.5
    sun[1] -= 0.6
    return Light((sun / np.linalg.norm(sun)).astype(np.float32), rng.uniform(0, 1))


def _sample_outline(rng, width, height):
    """The outline of a box, a blob or a bar. Shape (N, 2)."""
    middle = rng.uniform(0, width), rng.uniform(0.2, 1.05) * height
    extent = rng.uniform(0.04, 0.45, 2) * (width, height)
    if rng.random() < 0.35:
        extent = np.array((rng.uniform(0.01, 0.05) * width, rng.uniform(0.3, 1) * height))
        if rng.random() < 0.4:
            extent = np.array((rng.uniform(0.3, 1) * width, rng.uniform(0.01, 0.05) * height))
    if rng.random() < 0.4:
        return _sample_blob(rng, middle, extent)
    angle = rng.normal(0, 12) if rng.random() < 0.7 else rng.uniform(0, 180)
    return cv2.boxPoints((middle, tuple(extent), angle))


def _put_before(rng, backgrounds, image):
    """Put a thing before the people; give the image and where the thing is, (H, W) bool."""
    height, width = image.shape[:2]
    if rng.random() < 0.4:  # a large one, mostly below
        middle = rng.uniform(0, width), rng.uniform(0.55, 1.1) * height
        extent = rng.uniform(0.2, 1.2) * width, rng.uniform(0.1, 0.5) * height
    else:
        middle = rng.uniform(0, width), rng.uniform(0, height)
        extent = rng.uniform(0.05, 0.35, 2) * max(width, height)
    angle = rng.normal(0, 6) if rng.random() < 0.7 else rng.uniform(0, 180)
    outline = _sample_blob(rng, middle, extent)
    if rng.random() < 0.5:
        outline = cv2.boxPoints((middle, extent, angle))
    image, alpha = _lay_over(rng, backgrounds, image, outline)
    return image, alpha > 0.5


def _sample_blob(rng, middle, extent):
    """Corners of a round outline with three random waves. Shape (48, 2)."""
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radius = np.ones(48)
    for waves in (2, 3, 5):
        radius += rng.uniform(0, 0.35) * np.sin(waves * turn + rng.uniform(0, 2 * np.pi))
    around = np.stack((np.cos(turn), np.sin(turn)), axis=1) * radius[:, None]
    return np.array(middle) + around * extent / 2


def _lay_over(rng, backgrounds, image, outline):
    """Paint a thing with an outline (N, 2); give the image and the thing's part of each pixel."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [outline.astype(np.int32)], 255, cv2.LINE_AA)
    if rng.random() < 0.5:
        surface = backgrounds.sample(rng, width, height)
    else:
        surface = np.broadcast_to(sample_colour(rng), image.shape)
    shading = 1 + rng.normal(0, 0.3) * np.linspace(-1, 1, width)[None, :, None]
    alpha = mask / np.float32(255)
    mixed = image * (1 - alpha[..., None]) + surface * shading * alpha[..., None]
    return mixed.astype(np.float32), alpha


def _photograph(rng, image):
    """Blur, contrast, brightness and noise. (H, W, 3), uint8."""
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1))
    mean = image.mean()
    image = (image - mean) * rng.uniform(0.75, 1.2) + mean * rng.uniform(0.8, 1.2)
    if rng.random() < 0.06:
        image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    noise = rng.normal(0, 1, image.shape) * min(rng.exponential(3), 9)
    return np.clip(image + noise, 0, 255).astype(np.uint8)
