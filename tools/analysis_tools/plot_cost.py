"""Draw what a config's model costs against the size of the image and the number of people.

::

    python tools/analysis_tools/plot_cost.py configs/directpose/CONFIG.py cost.png

The weights are random. All sizes are timed in one run and in turn. The short side of an image of
size S is 2/3 S, rounded down to a multiple of 32.
"""

import argparse

import matplotlib.pyplot as plt
import torch

from directpose.analysis import VARIANTS, Subject, record_convolutions, time_in_turn
from directpose.cli.arguments import Parser, whole_number
from directpose.cli.config import read_config
from directpose.cli.device import check_device
from directpose.cli.errors import errors_as_messages, written
from directpose.cli.options import PICTURES, add_device, add_rounds, check_output


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of a DirectPose model')
    parser.add_argument('out', help='file to write the picture to, such as cost.png')
    parser.add_argument(
        '--sizes',
        nargs='+',
        type=whole_number(64),  # of 32 the short side would be 0
        default=[320, 640, 960, 1216],
        metavar='S',
        help='long sides in input pixels, multiples of 32; default: 320 640 960 1216',
    )
    parser.add_argument(
        '--people',
        nargs='+',
        type=whole_number(0),
        default=[0, 1, 10, 30, 100],
        metavar='N',
        help='people in a picture of the largest size; default: 0 1 10 30 100',
    )
    parser.add_argument(
        '--variant',
        default='fp32',
        choices=[name for name in VARIANTS if '-' not in name],
        help='how the model runs; default: %(default)s',
    )
    add_rounds(parser)
    add_device(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_as_messages(args.config):
        check_device(args.device)
        check_output(args.out, 'out', PICTURES)
        subject = Subject(read_config(args.config), args.variant, args.device)
        shapes = {size: (size * 2 // 3 // 32 * 32, size) for size in sorted(args.sizes)}
        forward, convolutions = {}, {}
        for size, shape in shapes.items():
            inputs = torch.randn(1, 3, *shape, device=args.device)
            forward[size] = subject.forward(inputs)
            convolutions[size] = record_convolutions(forward[size])
        decoding = {number: subject.decoding(inputs, number) for number in sorted(args.people)}
    timings = time_in_turn(
        {
            (kind, key): call
            for kind, calls in dict(
                forward=forward, convolutions=convolutions, decoding=decoding
            ).items()
            for key, call in calls.items()
        },
        args.rounds,
        device=args.device,
    )

    def medians(kind: str) -> list[float]:
        return [1000 * timing.median for (name, _), timing in timings.items() if name == kind]

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout='constrained')
    megapixels = [height * width / 1e6 for height, width in shapes.values()]
    left.plot(megapixels, medians('forward'), 'o-', label='forward')
    left.plot(megapixels, medians('convolutions'), 'o--', label='its convolutions alone')
    left.set_xticks(megapixels, [f'{height} x {width}' for height, width in shapes.values()])
    left.set(
        xlabel='input, drawn by its number of pixels',
        ylabel='ms',
        xlim=(0, None),
        ylim=(0, None),
        title='Forward of one image',
    )
    left.legend(loc='lower right')
    share = [100 * time / medians('forward')[-1] for time in medians('decoding')]
    right.plot(list(decoding), share, 'o-')
    right.set(
        xlabel='people in the picture',
        ylabel='% of the forward',
        ylim=(0, None),
        title=f'Decoding and NMS, {shapes[max(shapes)][0]} x {max(shapes)}',
    )
    figure.suptitle(f'{args.config.rsplit("/", 1)[-1]}, {args.variant}, {args.device}')
    with written(args.out):
        figure.savefig(args.out, dpi=150)
    print(f'drawn into {args.out}')


if __name__ == '__main__':
    main()
