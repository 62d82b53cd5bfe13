"""Drawn mice, seen from above: five keypoints that are not COCO's, in COCO's format."""

import json
from pathlib import Path

import cv2
import numpy as np

NAMES = ('snout', 'left_ear', 'right_ear', 'tail_base', 'tail_tip')
# x ahead and y to the right of the middle, in lengths of the body.
SHAPE = np.array([[0.6, 0], [0.35, -0.18], [0.35, 0.18], [-0.4, 0], [-0.8, 0]])
SIZE = (160, 120)  # width and height of a picture


def draw_mouse(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a mouse and return its keypoints (5, 2) in pixels."""
    length, angle = rng.uniform(60, 72), rng.uniform(0.4, 0.8)
    middle = rng.uniform((68, 45), (92, 75))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = middle + length * SHAPE @ turn.T  # (5, 2)
    degrees = np.degrees(angle)

    def at(point):
        return tuple(int(v) for v in np.round(point))

    fur = tuple(int(v) for v in rng.integers(60, 110, 3))
    body = (int(0.42 * length), int(0.2 * length))
    cv2.line(image, at(points[3]), at(points[4]), (150, 150, 220), 3)
    cv2.ellipse(image, at(middle), body, degrees, 0, 360, fur, -1)
    cv2.ellipse(
        image, at((points[0] + middle) / 2), (body[0] // 2, body[1] // 2), degrees, 0, 360, fur, -1
    )
    for ear in points[1:3]:
        cv2.circle(image, at(ear), int(0.1 * length), (120, 120, 200), -1)
    cv2.circle(image, at(points[0]), 3, (40, 40, 40), -1)
    return points


def write_mice(root: Path, num_train: int, num_val: int) -> None:
    """Write ``images/*.jpg`` and ``annotations/{train,val}.json`` under ``root``."""
    rng = np.random.default_rng(0)
    for folder in ('images', 'annotations'):
        (root / folder).mkdir(parents=True)
    number = 0
    for split, count in (('train', num_train), ('val', num_val)):
        images, annotations = [], []
        for _ in range(count):
            number += 1
            image = np.full((SIZE[1], SIZE[0], 3), rng.integers(170, 230, 3), dtype=np.uint8)
            points = draw_mouse(image, rng)
            cv2.imwrite(str(root / 'images' / f'{number}.jpg'), image)
            low, extent = points.min(axis=0), np.ptp(points, axis=0)
            images.append(dict(id=number, file_name=f'{number}.jpg', width=SIZE[0], height=SIZE[1]))
            annotations.append(
                dict(
                    id=number,
                    image_id=number,
                    category_id=1,
                    iscrowd=0,
                    bbox=[*low.tolist(), *extent.tolist()],
                    area=0.53 * float(extent.prod()),
                    num_keypoints=5,
                    keypoints=np.column_stack([points, np.full(5, 2)]).ravel().tolist(),
                )
            )
        categories = [dict(id=1, name='mouse', keypoints=list(NAMES))]
        (root / 'annotations' / f'{split}.json').write_text(
            json.dumps(dict(images=images, annotations=annotations, categories=categories))
        )
