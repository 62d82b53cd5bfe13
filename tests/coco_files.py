"""Small data sets in COCO's layout, written by hand for the tests."""

import json
from pathlib import Path

import cv2
import numpy as np

COCO_K = 17


def person(keypoints, ann_id=1, image_id=1, **fields):
    """An annotation with the labelled keypoints given as {index: (x, y)}, others (0, 0, 0)."""
    triplets = np.zeros((fields.pop('num', COCO_K), 3))
    for index, point in keypoints.items():
        triplets[index] = (*point, 2)
    ann = dict(
        id=ann_id,
        image_id=image_id,
        category_id=1,
        iscrowd=0,
        bbox=[0, 0, 60, 40],
        area=2400,
        num_keypoints=len(keypoints),
        keypoints=triplets.ravel().tolist(),
        segmentation=[],
    )
    return {**ann, **fields}


def write_coco(root, annotations, num_images=1, size=(64, 48), part='train2017'):
    """Write blurry images (width, height) with ids 1, 2, ... and their annotations.

    Returns:
        Path: The annotation file.
    """
    root = Path(root)
    rng = np.random.default_rng(0)
    (root / part).mkdir(parents=True)
    (root / 'annotations').mkdir(exist_ok=True)
    images = []
    for image_id in range(1, num_images + 1):
        name = f'{image_id:012d}.jpg'
        blocks = rng.integers(90, 160, (3, 4, 3), dtype=np.uint8)
        cv2.imwrite(str(root / part / name), cv2.resize(blocks, size))
        images.append(dict(id=image_id, file_name=name, width=size[0], height=size[1]))
    coco = dict(images=images, annotations=annotations, categories=[dict(id=1, name='person')])
    ann_file = root / 'annotations' / f'person_keypoints_{part}.json'
    ann_file.write_text(json.dumps(coco))
    return ann_file
