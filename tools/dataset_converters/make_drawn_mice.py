"""Draw mice seen from above: a small data set with keypoints that are not COCO's.

It is an example of a data set of your own, in the layout of docs/en/own_keypoints.md::

    OUT/annotations/train.json, val.json
    OUT/images/*.jpg
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from directpose.cli.arguments import Parser, whole_number

NAMES = ('snout', 'left_ear', 'right_ear', 'tail_base', 'tail_tip')
# x ahead of the middle and y to the right of it, in lengths of the body.
SHAPE = np.array([[0.6, 0], [0.35, -0.18], [0.35, 0.18], [-0.45, 0], [-0.9, 0]])
SIZE = (320, 240)
"""Width and height of a picture."""


def draw_bedding(rng: np.random.Generator) -> np.ndarray:
    """Draw the floor of a cage: (H, W, 3) uint8 with straw on it."""
    colour = rng.integers(120, 215, 3)
    image = np.full((SIZE[1], SIZE[0], 3), colour, dtype=np.uint8)
    for _ in range(rng.integers(20, 120)):
        start = rng.uniform(0, SIZE)
        end = start + rng.normal(0, 20, 2)
        shade = np.clip(colour + rng.integers(-60, 40), 0, 255).tolist()
        _draw_line(image, np.stack([start, end]), shade, int(rng.integers(1, 4)))
    return image


def draw_mouse(
    image: np.ndarray, rng: np.random.Generator, middle: np.ndarray, length: float
) -> np.ndarray:
    """Draw a mouse that looks in any direction.

    Args:
        image (np.ndarray): (H, W, 3) uint8, drawn into.
        rng (np.random.Generator): Decides everything that the other arguments do not say.
        middle (np.ndarray): (2, ), the middle of the body in pixels.
        length (float): The length of the body in pixels.

    Returns:
        np.ndarray: (5, 2), the keypoints in pixels, x first.
    """
    angle, bend, wag = rng.uniform(0, 2 * np.pi), rng.uniform(-0.4, 0.4), rng.uniform(-0.7, 0.7)
    shape = SHAPE.copy()
    neck = np.array([0.2, 0])
    shape[:3] = neck + (shape[:3] - neck) @ _rotation(bend)
    shape[4] = shape[3] + (shape[4] - shape[3]) @ _rotation(wag)
    turn = _rotation(angle)
    points = middle + length * shape @ turn  # (5, 2)
    head = middle + length * (neck + np.array([0.16, 0]) @ _rotation(bend)) @ turn
    fur = rng.integers(30, 235) + rng.integers(-15, 16, 3)
    light, pink = np.clip(fur + 18, 0, 255).tolist(), (150, 150, 220)
    degrees = np.degrees(angle)

    middle_of_tail = points[3:].mean(axis=0) + length * 0.08 * np.array([0, np.sign(wag)]) @ turn
    tail = np.stack([points[3], middle_of_tail, points[4]])
    _draw_line(image, tail, pink, max(2, int(0.05 * length)))
    body = (0.48 * length, 0.22 * length)
    _draw_ellipse(image, middle, body, degrees, np.clip(fur, 0, 255).tolist())
    _draw_ellipse(image, middle, (0.35 * length, 0.1 * length), degrees, light)
    face = (0.27 * length, 0.14 * length)
    _draw_ellipse(image, head, face, degrees + np.degrees(bend), np.clip(fur, 0, 255).tolist())
    for ear in points[1:3]:
        _draw_ellipse(image, ear, (0.09 * length, 0.09 * length), 0, pink)
    _draw_ellipse(image, points[0], (0.04 * length, 0.04 * length), 0, (90, 90, 160))
    return points


def draw_picture(rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
    """Draw one or two mice, each in its own half of the picture.

    Returns:
        tuple:
        - image (np.ndarray): (H, W, 3) uint8, BGR.
        - mice (list[np.ndarray]): The keypoints of each mouse, (5, 2) in pixels.
    """
    image = draw_bedding(rng)
    number = int(rng.integers(1, 3))
    width = SIZE[0] / number
    mice = []
    for column in range(number):
        length = rng.uniform(60, 85)
        low = np.array([column * width + 0.95 * length, 0.95 * length])
        high = np.array([(column + 1) * width, SIZE[1]]) - 0.95 * length
        middle = rng.uniform(np.minimum(low, high), np.maximum(low, high))
        mice.append(draw_mouse(image, rng, middle, length))
    noise = rng.normal(0, 4, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), mice


def write_mice(root: Path, num_train: int, num_val: int, seed: int = 0) -> None:
    """Write ``images/*.jpg`` and ``annotations/{train,val}.json`` under ``root``.

    Args:
        root (Path): A folder, made where it does not exist.
        num_train (int): Pictures to train on.
        num_val (int): Pictures to validate on.
        seed (int): Seed of the random numbers. Defaults to 0.
    """
    for folder in ('images', 'annotations'):
        (root / folder).mkdir(parents=True, exist_ok=True)
    category = dict(id=1, name='mouse', keypoints=list(NAMES))
    number = 0
    for split, count in (('train', num_train), ('val', num_val)):
        images, annotations = [], []
        for _ in range(count):
            number += 1
            picture, mice = draw_picture(np.random.default_rng([seed, number]))
            data = cv2.imencode('.jpg', picture)[1]
            # cv2.imwrite says nothing about a full disk
            (root / 'images' / f'{number}.jpg').write_bytes(data.tobytes())
            images.append(dict(id=number, file_name=f'{number}.jpg', width=SIZE[0], height=SIZE[1]))
            for points in mice:
                annotations.append(_annotate(points, len(annotations) + 1, number))
        content = dict(images=images, annotations=annotations, categories=[category])
        (root / 'annotations' / f'{split}.json').write_text(json.dumps(content))


def _annotate(points: np.ndarray, annotation_id: int, image_id: int) -> dict:
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    return dict(
        id=annotation_id,
        image_id=image_id,
        category_id=1,
        iscrowd=0,
        bbox=[*low.tolist(), *extent.tolist()],
        area=0.53 * float(extent.prod()),
        num_keypoints=len(points),
        keypoints=np.column_stack([points, np.full(len(points), 2)]).ravel().tolist(),
    )


def _rotation(angle: float) -> np.ndarray:
    """Turns row vectors by an angle in radians, x towards y."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _draw_line(image: np.ndarray, points: np.ndarray, colour: list, thickness: int) -> None:
    corners = np.round(16 * points).astype(np.int32)  # sixteenths of a pixel
    cv2.polylines(image, [corners], False, colour, thickness, cv2.LINE_AA, shift=4)


def _draw_ellipse(
    image: np.ndarray, middle: np.ndarray, axes: tuple, degrees: float, colour: list
) -> None:
    middle, axes = (tuple(int(v) for v in np.round(16 * np.asarray(two))) for two in (middle, axes))
    cv2.ellipse(image, middle, axes, degrees, 0, 360, colour, -1, cv2.LINE_AA, shift=4)


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'out', type=Path, metavar='OUT', help='folder to write, such as data/drawn_mice'
    )
    parser.add_argument(
        '--train',
        type=whole_number(),
        default=300,
        metavar='N',
        help='training pictures; default: %(default)s',
    )
    parser.add_argument(
        '--val',
        type=whole_number(),
        default=60,
        metavar='M',
        help='validation pictures; default: %(default)s',
    )
    parser.add_argument(
        '--seed',
        type=whole_number(0),
        default=0,
        help='seed of the pictures; default: %(default)s',
    )
    args = parser.parse_args()
    if args.out.is_file():
        parser.error(f'{args.out} is a file; name a folder')
    try:
        write_mice(args.out, args.train, args.val, args.seed)
    except OSError as error:
        raise SystemExit(f'{args.out}: cannot be written: {error.strerror}') from error
    print(f'{args.out}: {args.train} pictures to train on, {args.val} to validate on')


if __name__ == '__main__':
    main()
