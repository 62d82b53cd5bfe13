"""Make a small COCO-style data set of chosen images out of a larger one.

    python tools/dataset_converters/make_coco_subset.py \\
        data/coco/annotations/person_keypoints_train2017.json data/coco/train2017 \\
        data/coco-subset

takes the first images, by id, whose people are few, large and labelled. It writes them in COCO's
layout, so every config for COCO can use them (`--data-root data/coco-subset`):

    annotations/person_keypoints_{train,val}2017.json
    {train,val}2017/*.jpg

Both parts hold the same images with all their annotations: a model learns them by heart, and is
tested on the same images.
"""

import argparse
import json
import shutil
from collections import defaultdict
from pathlib import Path

from directpose.cli.arguments import Parser, whole_number
from directpose.cli.errors import errors_as_messages
from directpose.dataset_check import is_finite, load_coco_json, to_array
from directpose.errors import UserError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ann', type=Path, help='annotation file (COCO person keypoints)')
    parser.add_argument('images', type=Path, help='folder of its images')
    parser.add_argument('out', type=Path, help='folder to write; must not exist, or be empty')
    parser.add_argument(
        '--num', type=whole_number(), default=12, help='images to take (default: 12)'
    )
    parser.add_argument(
        '--min-people',
        type=int,
        default=1,
        help='fewest people with labelled keypoints in an image (default: 1)',
    )
    parser.add_argument(
        '--max-people',
        type=int,
        default=4,
        help='most people with labelled keypoints in an image (default: 4)',
    )
    parser.add_argument(
        '--min-area',
        type=float,
        default=64 * 64,
        help="each of these people has a larger 'area', in square pixels (default: 4096)",
    )
    parser.add_argument(
        '--min-keypoints',
        type=int,
        default=10,
        help='fewest labelled keypoints of all people in an image (default: 10)',
    )
    parser.add_argument(
        '--allow-crowd', action='store_true', help='also take images with crowd regions'
    )
    return parser.parse_args(argv)


def count_labelled(ann: dict, ann_file: Path) -> int:
    """How many keypoints of an annotation are labelled.

    Raises:
        UserError: If it has no list of keypoints.
    """
    keypoints = to_array(ann.get('keypoints'), (-1, 3))
    if keypoints is None:
        raise UserError(
            f'annotation {ann["id"]} of {ann_file} has no "keypoints", a list of x, y and v for '
            'each; give a file of keypoints, such as person_keypoints_train2017.json '
            '(instances_train2017.json has boxes and masks only)'
        )
    return int((keypoints[:, 2] > 0).sum())


def is_wanted(anns: list[dict], args: argparse.Namespace) -> bool:
    """Whether an image with these annotations is to be taken.

    Raises:
        UserError: If a person has no area, or an annotation no keypoints.
    """
    if not args.allow_crowd and any(ann.get('iscrowd', 0) for ann in anns):
        return False
    counts, areas = [], []
    for ann in anns:
        labelled = count_labelled(ann, args.ann)
        if labelled and not ann.get('iscrowd', 0):
            if not is_finite(ann.get('area')):
                raise UserError(
                    f'annotation {ann["id"]} of {args.ann} has no "area" that is a number; COCO\'s '
                    'evaluation needs it. Add it, for example as 0.53 times the area of the box.'
                )
            counts.append(labelled)
            areas.append(ann['area'])
    return (
        args.min_people <= len(counts) <= args.max_people
        and sum(counts) >= args.min_keypoints
        and all(area > args.min_area for area in areas)
    )


def select(coco: dict, args: argparse.Namespace) -> dict:
    """The part of a COCO-style data set that is to be written.

    Raises:
        UserError: If fewer images than ``args.num`` fit the options.
    """
    anns_of = defaultdict(list)
    for ann in coco['annotations']:
        anns_of[ann['image_id']].append(ann)
    images = sorted(coco['images'], key=lambda image: image['id'])
    wanted = [image for image in images if is_wanted(anns_of[image['id']], args)]
    if len(wanted) < args.num:
        raise UserError(
            f'only {len(wanted)} of the {len(images)} images in {args.ann} fit the options, but '
            f'--num asks for {args.num}. Ask for fewer images, or change: --min-people '
            f'{args.min_people}, --max-people {args.max_people}, --min-area {args.min_area:g}, '
            f'--min-keypoints {args.min_keypoints}, --allow-crowd.'
        )
    chosen = wanted[: args.num]
    anns = [ann for image in chosen for ann in anns_of[image['id']]]
    return {**coco, 'images': chosen, 'annotations': anns}


def write(subset: dict, images: Path, out: Path) -> None:
    """Write annotations and images twice, as COCO's two parts.

    Raises:
        UserError: If an image of the subset is not in ``images``, or if a ``file_name`` leads out
            of the folder of the images.
    """
    names = [str(image.get('file_name')) for image in subset['images']]
    for name in names:
        if Path(name).is_absolute() or '..' in Path(name).parts:
            raise UserError(
                f'file_name {name!r} leads out of the folder of the images, so its copy would be '
                f'written outside of {out}; correct file_name in the annotations'
            )
    missing = [name for name in names if not (images / name).is_file()]
    if missing:
        raise UserError(
            f'{len(missing)} of {len(names)} chosen images are not in {images}, for example '
            f'{missing[0]}. Give the folder that `file_name` in the annotations is relative to.'
        )
    (out / 'annotations').mkdir(parents=True)
    for part in ('train2017', 'val2017'):
        ann_file = out / 'annotations' / f'person_keypoints_{part}.json'
        ann_file.write_text(json.dumps(subset))
        for name in names:
            copy = out / part / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(images / name, copy)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_as_messages():
        if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
            raise UserError(f'{args.out} exists already; give a new or an empty folder')
        subset = select(load_coco_json(str(args.ann)), args)
        write(subset, args.images, args.out)
    people = sum(count_labelled(ann, args.ann) > 0 for ann in subset['annotations'])
    print(
        f'{args.out}: {len(subset["images"])} images with {people} people with labelled '
        'keypoints, as train2017 and as val2017'
    )


if __name__ == '__main__':
    main()
