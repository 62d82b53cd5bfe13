"""Write a data set of drawn people in COCO's format and layout."""

import argparse
from functools import partial

from synthetic import MAX_PEOPLE, write_dataset
from synthetic.command import add_dataset_options, run

from directpose.cli.arguments import Parser


def make_parser() -> argparse.ArgumentParser:
    parser = Parser(
        description=__doc__,
        epilog='The same arguments give the same bytes. A folder with anything else in it is '
        'refused; one that was made with the same arguments is written anew.',
    )
    add_dataset_options(parser, 'data/synthetic', size=320)
    parser.add_argument(
        '--max-people',
        type=int,
        default=MAX_PEOPLE,
        metavar='P',
        help='in a picture; fewer are larger, and easier to learn from (default: %(default)s)',
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
