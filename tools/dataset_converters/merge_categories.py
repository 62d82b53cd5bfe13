"""Merge all categories of a COCO-style keypoint file into one.

    python tools/dataset_converters/merge_categories.py \\
        data/ap10k/annotations/ap10k-train-split1.json \\
        data/ap10k/annotations/ap10k-train-split1_animal.json --name animal

DirectPose finds one kind of instance, and the evaluation of bottom-up models gives category 1 to
everything that they find. AP-10K has 54 species. Each is a category, and all have the same
keypoints.
"""

import argparse
from pathlib import Path

import mmengine

from directpose.cli.arguments import Parser
from directpose.cli.errors import errors_as_messages
from directpose.dataset_check import load_coco_json
from directpose.errors import UserError

_SHARED = ('keypoints', 'skeleton')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ann', metavar='ANN', type=Path, help='annotation file')
    parser.add_argument('out', metavar='OUT', type=Path, help='annotation file to write')
    parser.add_argument('--name', required=True, help='name of the one category, such as animal')
    return parser.parse_args(argv)


def merge_categories(coco: dict, name: str) -> dict:
    """The same annotations, all of category 1.

    Args:
        coco (dict): Content of a COCO-style file; it is left as it is.
        name (str): What to call the category.

    Returns:
        dict: The new content. Everything but the categories is kept, in its order.

    Raises:
        ValueError: If there is no category, if a category has other keypoints or another
            skeleton than the first one, or if an annotation is of a category that is not listed.
    """
    categories = coco['categories']
    if not categories:
        raise ValueError('it lists no category')
    first = categories[0]
    for field in _SHARED:
        others = [category for category in categories if category.get(field) != first.get(field)]
        if others:
            raise ValueError(
                f'the {field} of {", ".join(map(_name_of, others))} are not those of '
                f'{_name_of(first)}: {others[0].get(field)} / {first.get(field)}. Only categories '
                'with the same keypoints can be merged; put the others into a file of their own'
            )
    known = {category['id'] for category in categories}
    for ann in coco['annotations']:
        if ann['category_id'] not in known:
            raise ValueError(
                f'annotation {ann["id"]} is of category {ann["category_id"]}, which is not in '
                '`categories`; add that category, or correct the annotation'
            )
    shared = {field: first[field] for field in _SHARED if field in first}
    return {
        **coco,
        'categories': [dict(id=1, name=name, supercategory=name, **shared)],
        'annotations': [{**ann, 'category_id': 1} for ann in coco['annotations']],
    }


def _name_of(category: dict) -> str:
    return f'category {category["id"]} ({category.get("name")})'


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_as_messages():
        if args.out.resolve() == args.ann.resolve():
            raise UserError(f'{args.out} is the file to read; give another name to write')
        coco = load_coco_json(str(args.ann))
        try:
            merged = merge_categories(coco, args.name)
        except ValueError as error:
            raise UserError(f'{args.ann}: {error}') from error
        atomic = dict(backend='atomic_local')
        mmengine.dump(merged, str(args.out), file_format='json', backend_args=atomic)
    print(
        f'{args.out}: {len(merged["annotations"])} annotations of {len(coco["categories"])} '
        f'categories, now {args.name}'
    )


if __name__ == '__main__':
    main()
