"""Draw what a picture costs against the number of people in it, beside a top-down pipeline.

::

    python tools/analysis_tools/plot_people_cost.py configs/directpose/CONFIG.py people_cost.png

A top-down pipeline runs a detector once, and a pose model once for each person. The tool takes the
smallest pipeline of MMPose's zoo: RTMDet-nano, and RTMPose-t, which gets all people of a picture as
one batch. The weights are random. All models are prepared in the same way, and timed in one run and
in turn. The time of DirectPose includes decoding and NMS. The time of the pipeline is that of its
networks alone, without NMS, crops and decoding.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import mmpose
import torch
from mmengine.config import Config

from directpose.analysis import Subject, time_in_turn
from directpose.apis import PRECISIONS
from directpose.cli.arguments import Parser, whole_number
from directpose.cli.config import read_config
from directpose.cli.device import check_device
from directpose.cli.errors import errors_as_messages, written
from directpose.cli.options import PICTURES, add_device, add_rounds, check_output

DETECTOR = str(
    Path(mmpose.__path__[0], '.mim/demo/mmdetection_cfg/rtmdet_nano_320-8xb32_coco-person.py')
)
"""The detector, whose config is one of MMPose's demos."""

POSE = 'mmpose::body_2d_keypoint/rtmpose/coco/rtmpose-t_8xb256-420e_coco-256x192.py'
POSE_SIZE = (256, 192)
"""The input of the pose model for one person: height and width in pixels."""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of a DirectPose model')
    parser.add_argument('out', help='file to write the picture to, such as people_cost.png')
    parser.add_argument(
        '--input-size',
        nargs=2,
        type=whole_number(32),
        default=[320, 320],
        metavar=('H', 'W'),
        help='input of DirectPose and of the detector, in pixels; default: 320 320',
    )
    parser.add_argument(
        '--people',
        nargs='+',
        type=whole_number(0),
        default=[0, 1, 2, 5, 10, 20],
        metavar='N',
        help='people in a picture; default: 0 1 2 5 10 20',
    )
    parser.add_argument(
        '--variant',
        default='fp32',
        choices=list(PRECISIONS),
        help='how the models run; default: %(default)s',
    )
    add_rounds(parser)
    add_device(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    people = sorted(set(args.people))
    with errors_as_messages(args.config):
        check_device(args.device)
        check_output(args.out, 'out', PICTURES)
        picture = torch.randn(1, 3, *args.input_size, device=args.device)
        direct, detector, pose = (
            Subject(cfg, args.variant, args.device)
            for cfg in (read_config(args.config), Config.fromfile(DETECTOR), read_config(POSE))
        )
        calls = {
            ('forward', None): direct.forward(picture),
            ('detector', None): detector.forward(picture),
        }
        for number in people:
            calls['decoding', number] = direct.decoding(picture, number)
            if number:
                crops = torch.randn(number, 3, *POSE_SIZE, device=args.device)
                calls['pose', number] = pose.forward(crops)
    timings = time_in_turn(calls, args.rounds, device=args.device)
    cost = {key: 1000 * timing.median for key, timing in timings.items()}
    ours = [cost['forward', None] + cost['decoding', number] for number in people]
    theirs = [cost['detector', None] + cost.get(('pose', number), 0.0) for number in people]

    print('| people | DirectPose, ms | top-down, ms | top-down / DirectPose |')
    print('| ---: | ---: | ---: | ---: |')
    for number, a, b in zip(people, ours, theirs, strict=True):
        print(f'| {number} | {a:.1f} | {b:.1f} | {b / a:.2f} |')
    figure, axes = plt.subplots(figsize=(6, 4), layout='constrained')
    axes.plot(people, ours, 'o-', label='DirectPose')
    axes.plot(people, theirs, 's--', label='RTMDet-nano + RTMPose-t')
    axes.set(xlabel='people in the picture', ylabel='milliseconds', xticks=people, ylim=(0, None))
    height, width = args.input_size
    axes.set_title(
        f'Time of a picture of {height} x {width} pixels, {args.variant} on {args.device}',
        fontsize='medium',
    )
    axes.legend(fontsize='small')
    with written(args.out):
        figure.savefig(args.out, dpi=150)
    print(f'drawn into {args.out}')


if __name__ == '__main__':
    main()
