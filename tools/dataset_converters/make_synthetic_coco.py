"""Draw people: a data set in COCO's format and layout."""

import argparse
from functools import partial

from synthetic import MAX_PEOPLE, write_dataset
from synthetic.command import add_dataset_options, run

from directpose.cli.arguments import Parser, whole_number


def make_parser() -> argparse.ArgumentParser:
    parser = Parser(
        description=__doc__,
        epilog='The same arguments give the same bytes. The program refuses a folder with other '
        'files. It overwrites a folder that was made with the same arguments.',
    )
    add_dataset_options(parser, 'data/synthetic', size=320)
    parser.add_argument(
        '--max-people',
        type=whole_number(1, MAX_PEOPLE),
        default=MAX_PEOPLE,
        metavar='P',
        help='most people in a picture; fewer people are larger and easier to learn from '
        '(default: %(default)s)',
    )
    return parser


def main(argv: list[str] | None = None) -> None:
    parser = make_parser()
    args = parser.parse_args(argv)
    write = partial(
        write_dataset,
        args.out,
        args.train,
        args.val,
        args.size,
        args.seed,
        args.max_people,
        workers=args.workers,
    )
    run(write, parser, args.out)


if __name__ == '__main__':
    main()
