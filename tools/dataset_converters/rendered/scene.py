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
from .textures import sample_color

# How often a picture shows how many people.
NUM_PEOPLE = {0: 0.15, 1: 0.3825, 2: 0.2295, 3: 0.136, 4: 0.102}
# Width by height, and how often.
_ASPECTS = {1: 0.15, 4 / 3: 0.35, 3 / 4: 0.2, 3 / 2: 0.2, 2 / 3: 0.1}
# Pictures are painted this many times larger than they are written.
_FINENESS = 1.5
# Nobody stands nearer, in metres.
_NEAREST = 0.9


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
            not annotated. Defaults to 0 to 4, as in ``NUM_PEOPLE``.

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
    if people and rng.random() < 0.3:
        image, is_covered = _put_before(rng, backgrounds, image)
    bodies = [person.body for person in people]
    annotated = annotate(bodies, hits, is_covered, camera, (width, height))
    image = cv2.resize(np.clip(image, 0, 255), (width, height), interpolation=cv2.INTER_AREA)
    return Picture(_photograph(rng, image), annotated, jpeg_quality=int(rng.integers(55, 96)))


def _paint_background(rng, backgrounds, width, height):
    """A piece of a picture with things before it, at times out of focus. (H, W, 3)."""
    image = backgrounds.sample(rng, width, height)
    if rng.random() < 0.6:
        for _ in range(rng.integers(1, 9)):
            image, _ = _lay_over(rng, backgrounds, image, *_sample_thing(rng, width, height))
    if rng.random() < 0.35:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 3.5))
    return image


def _place_people(rng, anatomy, backgrounds, count, width, height):
    """Draw people and their places, and the camera that sees the first one well."""
    focal = rng.uniform(0.9, 2.2) * max(width, height)
    elevation = rng.choice([rng.uniform(0.7, 1.8), rng.uniform(1.2, 3.5)])
    smallest, largest = (0.3, 1.8) if count < 3 else (0.25, 1.1)
    horizon, first_distance, people = height / 2, None, []
    for _ in range(count):
        body = sample_body(rng, anatomy)
        cover, thickness = sample_clothes(rng, anatomy)
        if first_distance is None or rng.random() < 0.15:
            share = np.exp(rng.uniform(np.log(smallest), np.log(largest)))
            distance = focal * body.extent / (share * height)
        else:
            distance = first_distance * rng.uniform(0.65, 1.9)
        distance = max(distance, _NEAREST)
        if first_distance is None:
            first_distance = distance
            middle = height * rng.uniform(0.3, 0.7 if share < 1 else 0.5)
            if share >= 1:  # the head rather than the feet of who is larger than the picture
                middle += 0.5 * (share - 1) * height * rng.uniform(0.2, 1)
            horizon = middle - focal * (elevation - body.extent / 2) / distance
        column = rng.uniform(0.04, 0.96) * width
        lifted = rng.uniform(0, 0.3) if body.kind == 'sit' and rng.random() < 0.7 else 0
        aside = (column - width / 2) / focal * distance
        body = body.moved(np.array((aside, distance, lifted)))
        surface = grow(body.vertices, anatomy.faces, thickness)
        people.append(Person(body, surface, cover, sample_look(rng, backgrounds)))
    return people, Camera(width, height, focal, horizon, elevation)


def _sample_light(rng):
    """A sun above the horizon, mostly behind the camera."""
    sun = rng.normal(0, 1, 3)
    sun[2] = abs(sun[2]) + 0.5
    sun[1] -= 0.6
    return Light((sun / np.linalg.norm(sun)).astype(np.float32), rng.uniform(0, 1))


def _sample_thing(rng, width, height):
    """A box, a disc or a bar: OpenCV's rotated rectangle, and whether the thing is round."""
    middle = rng.uniform(0, width), rng.uniform(0.2, 1.05) * height
    extent = rng.uniform(0.04, 0.45, 2) * (width, height)
    if rng.random() < 0.35:
        extent = np.array((rng.uniform(0.01, 0.05) * width, rng.uniform(0.3, 1) * height))
        if rng.random() < 0.4:
            extent = np.array((rng.uniform(0.3, 1) * width, rng.uniform(0.01, 0.05) * height))
    angle = rng.normal(0, 12) if rng.random() < 0.7 else rng.uniform(0, 180)
    return (middle, tuple(extent), angle), bool(rng.random() < 0.25)


def _put_before(rng, backgrounds, image):
    """Put a large thing before the people; give the image and where the thing is, (H, W) bool."""
    height, width = image.shape[:2]
    middle = rng.uniform(0, width), rng.uniform(0.55, 1.1) * height
    extent = rng.uniform(0.2, 1.2) * width, rng.uniform(0.1, 0.5) * height
    outline = (middle, extent, rng.normal(0, 6))
    image, alpha = _lay_over(rng, backgrounds, image, outline, is_round=False)
    return image, alpha > 0.5


def _lay_over(rng, backgrounds, image, outline, is_round):
    """Paint a thing; give the image and how much of each pixel the thing takes, (H, W)."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    if is_round:
        cv2.ellipse(mask, outline, 255, -1, cv2.LINE_AA)
    else:
        corners = cv2.boxPoints(outline).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA)
    if rng.random() < 0.5:
        surface = backgrounds.sample(rng, width, height)
    else:
        surface = np.broadcast_to(sample_color(rng), image.shape)
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
    noise = rng.normal(0, 1, image.shape) * rng.uniform(0, 9)
    return np.clip(image + noise, 0, 255).astype(np.uint8)
