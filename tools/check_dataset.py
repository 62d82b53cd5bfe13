"""Print what would break, mislead or be dropped in a COCO-style keypoint data set."""

import argparse
import sys
from functools import partial

import mmengine
from rich.console import Console
from rich.progress import track
from rich.table import Table

from directpose.cli.arguments import Parser, whole_number
from directpose.cli.errors import errors_as_messages, written
from directpose.cli.options import check_output
from directpose.dataset_check import (
    COCO_METAINFO,
    QUANTILES,
    Finding,
    check_annotations,
    describe,
    load_annotations,
    summarize,
)
from directpose.pictures import MAX_PIXELS

_COLOURS = {'error': 'red', 'warning': 'yellow', 'note': 'cyan'}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(
        description=__doc__,
        epilog='The exit status is 1 if there are errors, else 0. Warnings, and notes on what is '
        'left out on purpose, do not count.',
    )
    parser.add_argument('ann', help='annotation file, for example person_keypoints_train.json')
    parser.add_argument('images', help='folder that file_name in ANN is relative to')
    parser.add_argument(
        '--metainfo',
        metavar='FILE',
        default=COCO_METAINFO,
        help="metainfo file, or the name of one of MMPose's, like crowdpose.py (default: COCO's)",
    )
    parser.add_argument(
        '--min-keypoints',
        type=whole_number(0),
        metavar='N',
        default=10,
        help='labelled keypoints that an image needs for training: min_labelled_keypoints of the '
        'config (default: %(default)s)',
    )
    parser.add_argument(
        '--no-area',
        action='store_true',
        help='do not ask for `area`; for data whose metric has use_area=False (CrowdPose)',
    )
    parser.add_argument(
        '--headers-only',
        action='store_true',
        help='do not decode the images: faster, but images that are cut off are not found',
    )
    parser.add_argument(
        '--max-pixels',
        type=whole_number(),
        metavar='N',
        default=MAX_PIXELS,
        help='refuse images of more pixels: max_pixels of the data set in the config '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--limit',
        type=whole_number(0),
        metavar='N',
        default=5,
        help='number of examples to print of each kind (default: %(default)s)',
    )
    parser.add_argument('--json', metavar='FILE', help='write all findings and the summary here')
    return parser.parse_args(argv)


def print_findings(console: Console, findings: list[Finding], limit: int) -> None:
    """Print each kind that was found, errors first, with its remedy and some examples."""
    for line in describe(findings, limit):
        if line.startswith('  ->'):
            console.print(f'{line}\n', style='green')
        elif line.startswith('  ... and'):
            console.print(f'{line}; --json FILE writes them all')
        else:
            level = line.partition(':')[0]
            console.print(line, style=f'bold {_COLOURS[level]}' if level in _COLOURS else None)


def print_summary(console: Console, ann_file: str, summary: dict) -> None:
    table = Table(
        'figure',
        'value',
        title=f'Summary of {ann_file}',
        caption=f'Lengths in pixels; quantiles at {", ".join(map(str, QUANTILES))} %',
        title_justify='left',
        caption_justify='left',
    )
    for name, value in summary.items():
        if name.endswith('_share'):
            text = f'{value:.1%}'
        elif isinstance(value, list):
            text = ', '.join(f'{round(number, 1):g}' for number in value) or '-'
        else:
            text = str(value)
        table.add_row(name.replace('_', ' '), text)
    console.print(table)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with errors_as_messages():
        if args.json:
            check_output(args.json, '--json')
        data = load_annotations(args.ann, args.images, args.metainfo)
    progress = partial(
        track,
        description='Reading images',
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    findings = check_annotations(
        data,
        min_keypoints=args.min_keypoints,
        use_area=not args.no_area,
        decode=not args.headers_only,
        progress=progress,
        max_pixels=args.max_pixels,
    )
    summary = summarize(data, args.min_keypoints)
    # One line an entry, whatever it contains, so that the output can be searched.
    console = Console(soft_wrap=True, markup=False, emoji=False, highlight=False)
    print_findings(console, findings, args.limit)
    print_summary(console, args.ann, summary)
    if args.json:
        result = {'summary': summary, 'findings': [finding._asdict() for finding in findings]}
        with written(args.json):
            mmengine.dump(result, args.json, file_format='json', indent=2)
    counts = {level: sum(finding.level == level for finding in findings) for level in _COLOURS}
    console.print(', '.join(f'{count} {level}(s)' for level, count in counts.items()))
    return 1 if counts['error'] else 0


if __name__ == '__main__':
    sys.exit(main())
