"""Write a data set of drawn people in COCO's format and layout."""

import argparse
import os

from rich.progress import Progress
from synthetic import MAX_PEOPLE, write_dataset


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='The same arguments give the same bytes. A folder with anything else in it is '
        'refused; one that was made with the same arguments is written anew.',
    )
    parser.add_argument('out', metavar='OUT', help='folder to write, for example data/synthetic')
    parser.add_argument(
        '--train', type=int, default=1000, metavar='N', help='pictures (default: %(default)s)'
    )
    parser.add_argument(
        '--val', type=int, default=100, metavar='M', help='pictures (default: %(default)s)'
    )
    parser.add_argument(
        '--size',
        type=int,
        default=320,
        metavar='S',
        help='long side of the pictures in pixels (default: %(default)s)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, metavar='X', help='at least 0 (default: %(default)s)'
    )
    parser.add_argument(
        '--max-people',
        type=int,
        default=MAX_PEOPLE,
        metavar='P',
        help='in a picture; fewer are larger, and easier to learn from (default: %(default)s)',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=len(os.sched_getaffinity(0)),
        metavar='W',
        help='processes that draw; the files are the same with any number (default: the cores of '
        'this machine, %(default)s)',
    )
    args = parser.parse_args(argv)
    args.refuse = parser.error
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with Progress() as bar:
        task = bar.add_task('Drawing people', total=None)
        try:
            splits = write_dataset(
                args.out,
                args.train,
                args.val,
                args.size,
                args.seed,
                args.max_people,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
                workers=args.workers,
            )
        except (ValueError, FileExistsError) as error:
            bar.stop()
            args.refuse(str(error))
    for split, counts in splits.items():
        print(f'{args.out}: {split}:', ', '.join(f'{n} {name}' for name, n in counts.items()))


if __name__ == '__main__':
    main()
