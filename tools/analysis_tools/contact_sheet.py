"""Put the pictures of a folder onto one sheet.

::

    python tools/analysis_tools/contact_sheet.py work_dirs/poses sheet.jpg --columns 3 --number 12
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from directpose.cli.arguments import Parser, whole_number
from directpose.cli.errors import errors_as_messages
from directpose.cli.images import write_image
from directpose.cli.options import check_output
from directpose.errors import UserError
from directpose.pictures import find_pictures, read_picture

_GAP = 6
"""Pixels between two pictures."""


def make_sheet(files: list[str], columns: int, width: int) -> Image.Image:
    """Put pictures side by side, row after row, in their own proportions.

    Args:
        files (list[str]): The files of the pictures.
        columns (int): The number of pictures in a row.
        width (int): Width of each picture on the sheet in pixels. The height follows from it. Where
            the height would be more than three times the width, it is three times the width, and
            the picture is narrower.

    Returns:
        Image.Image: The sheet. It is white where there is no picture.

    Raises:
        PictureError: If a picture cannot be read.
    """
    pictures = []
    for file in files:
        picture = Image.fromarray(read_picture(file)[..., ::-1])
        scale = min(width / picture.width, 3 * width / picture.height)
        sides = (max(1, round(side * scale)) for side in picture.size)
        pictures.append(picture.resize(tuple(sides)))
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    heights = [max(picture.height for picture in row) for row in rows]
    used = min(columns, len(pictures))
    size = (used * (width + _GAP) + _GAP, sum(heights) + (len(rows) + 1) * _GAP)
    sheet = Image.new('RGB', size, 'white')
    top = _GAP
    for row, height in zip(rows, heights):
        for column, picture in enumerate(row):
            sheet.paste(picture, (_GAP + column * (width + _GAP), top))
        top += height + _GAP
    return sheet


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, help='folder with the pictures')
    parser.add_argument('out', help='file to write the sheet to, such as sheet.jpg')
    parser.add_argument(
        '--columns', type=whole_number(), default=3, help='pictures in a row; default: %(default)s'
    )
    parser.add_argument(
        '--number',
        type=whole_number(),
        default=12,
        help='number of pictures on the sheet, the first ones by name; default: %(default)s',
    )
    parser.add_argument(
        '--width',
        type=whole_number(),
        default=512,
        help='width of each picture on the sheet in pixels; default: %(default)s',
    )
    args = parser.parse_args(argv)
    with errors_as_messages():
        check_output(args.out, 'out', ('.jpg', '.png'))
        if not args.folder.is_dir():
            raise UserError(f'{args.folder} is not a folder')
        files, _ = find_pictures(args.folder)
        if not files:
            raise UserError(f'the folder {args.folder} has no pictures')
        sheet = make_sheet(files[: args.number], args.columns, args.width)
        write_image(args.out, np.asarray(sheet)[..., ::-1])
    print(f'{min(args.number, len(files))} pictures of {args.folder} in {args.out}')


if __name__ == '__main__':
    main()
