"""Render people before your own backgrounds: a data set in COCO's format and layout."""

import argparse
from functools import partial

from rendered import write_rendered
from synthetic.command import add_dataset_options, run

from directpose.cli.arguments import Parser


def make_parser() -> argparse.ArgumentParser:
    parser = Parser(
        description=__doc__,
        epilog='The same arguments and backgrounds give the same bytes. The program refuses a '
        'folder with other files. It overwrites a folder that was made with the same arguments.',
    )
    add_dataset_options(parser, 'data/rendered', size=256)
    parser.add_argument(
        '--backgrounds',
        required=True,
        metavar='DIR',
        help='folder of pictures to put behind people and on their clothes; the pictures must show '
        'no people, because they would not be annotated',
    )
    return parser


def main(argv: list[str] | None = None) -> None:
    parser = make_parser()
    args = parser.parse_args(argv)
    write = partial(
        write_rendered,
        args.out,
        args.backgrounds,
        args.train,
        args.val,
        args.size,
        args.seed,
        workers=args.workers,
    )
    run(write, parser, args.out)


if __name__ == '__main__':
    main()
