"""Put the pictures of a folder onto one sheet.

::

    python tools/analysis_tools/contact_sheet.py work_dirs/poses sheet.jpg --columns 3 --number 12
"""

import argparse
import sys
from pathlib import Path

from PIL import Image

_GAP = 6
"""Pixels between two pictures."""


def make_sheet(files: list[Path], columns: int, width: int) -> Image.Image:
    """Put pictures side by side, row after row, in their own proportions.

    Args:
        files (list[Path]): The pictures.
        columns (int): Pictures in a row.
        width (int): Of each picture on the sheet, in pixels. Its height follows.

    Returns:
        Image.Image: The sheet, white where no picture is.
    """
    pictures = []
    for file in files:
        with Image.open(file) as picture:
            height = max(1, round(picture.height * width / picture.width))
            pictures.append(picture.convert('RGB').resize((width, height)))
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folder', type=Path, help='with *.jpg or *.png')
    parser.add_argument('out', help='file of the sheet, such as sheet.jpg')
    parser.add_argument('--columns', type=int, default=3, help='default: %(default)s')
    parser.add_argument('--number', type=int, default=12, help='the first so many by name')
    parser.add_argument(
        '--width', type=int, default=512, help='of each picture, in pixels; default: %(default)s'
    )
    args = parser.parse_args(argv)
    if min(args.columns, args.number, args.width) < 1:
        parser.error('--columns, --number and --width must be at least 1')
    files = sorted(f for f in args.folder.glob('*') if f.suffix.lower() in ('.jpg', '.png'))
    if not files:
        sys.exit(f'error: {args.folder} has no .jpg or .png files')
    make_sheet(files[: args.number], args.columns, args.width).save(args.out)
    print(f'{min(args.number, len(files))} pictures of {args.folder} in {args.out}')


if __name__ == '__main__':
    main()
