"""Export a trained model to ONNX, and check the file against the model.

::

    python tools/deployment/export_onnx.py configs/directpose/CONFIG.py CHECKPOINT.pth model.onnx

Before the file gets its name, it is compared with the model on three pictures: the maps at every
location, poses that are decoded from these maps, and the poses of the people in the pictures. If
something differs by more than rounding, the file is deleted, and an older file stays as it was.

With ``--int8 PICTURES`` the convolutions compute in eight-bit integers. Their ranges come from the
pictures that you name. The comparison is made before this step. The int8 file differs by more than
rounding, so measure its AP. With ``--fp16`` the model computes in half precision.

``directpose.runtime.DirectPose`` runs the file with numpy, Pillow and ONNX Runtime alone.
"""

import argparse
import os
import tempfile
from pathlib import Path

from mmpose.apis import init_model
from mmpose.registry import TRANSFORMS
from rich.console import Console
from rich.table import Table

from directpose.cli.arguments import Parser
from directpose.cli.checkpoint import load_checkpoint_file
from directpose.cli.config import load_config
from directpose.cli.config_data import read_test_pipeline
from directpose.cli.errors import errors_as_messages
from directpose.cli.images import example_picture
from directpose.cli.options import check_output
from directpose.datasets.transforms import ShortSideResize
from directpose.deployment import convert_to_half, export_verified, quantize
from directpose.engine.checkpoint_fit import check_weights
from directpose.errors import UserError
from directpose.pictures import find_pictures, read_size


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('out', help='file to write, .onnx')
    parser.add_argument(
        '--without-nms', action='store_true', help='leave NMS to the program that runs the file'
    )
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument(
        '--int8',
        nargs='*',
        metavar='PICTURES',
        help='write convolutions of eight-bit integers; their ranges come from these pictures and '
        'folders; about 100 pictures, which should look like those that the model will see',
    )
    precision.add_argument(
        '--fp16',
        action='store_true',
        help='write a file that computes in half precision, for GPUs; a CPU is not faster with it',
    )
    precision.add_argument(
        '--half-weights',
        action='store_true',
        help='store the weights in half precision, and compute in single precision; for '
        'checkpoints that have half precision',
    )
    return parser.parse_args(argv)


def read_resize(pipeline: list[dict]) -> ShortSideResize:
    """The resize of a test pipeline.

    Raises:
        UserError: If the pipeline has none.
    """
    for step in pipeline:
        if step['type'] in ('ShortSideResize', ShortSideResize):
            return TRANSFORMS.build(step)
    raise UserError(
        'the test pipeline of the config has no ShortSideResize, the only resize that '
        'directpose.runtime can do'
    )


def calibration_pictures(paths: list[str]) -> list[str]:
    """The pictures to take ranges from.

    Raises:
        UserError: If there are none, or if one of them cannot be read.
    """
    pictures = []
    for path in paths:
        if not Path(path).exists():
            raise UserError(f'--int8 {path}: there is no such file or folder')
        pictures += find_pictures(path)[0] if Path(path).is_dir() else [path]
    if not pictures:
        raise UserError(
            '--int8 needs pictures such as the model will see, to learn the ranges of its maps '
            'from; give a folder with about 100 of them: --int8 data/coco/train2017'
            + (f' (no pictures in: {", ".join(paths)})' if paths else '')
        )
    for picture in pictures:
        read_size(picture)
    return pictures


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    out = Path(args.out)
    with errors_as_messages(args.config):
        check_output(out, 'out', ('.onnx',))
        calibration = None if args.int8 is None else calibration_pictures(args.int8)
        cfg = load_config(args.config)
        resize = read_resize(read_test_pipeline(cfg))
        checkpoint = load_checkpoint_file(args.checkpoint)
        model = init_model(cfg, args.checkpoint, device='cpu')
        check_weights(model, checkpoint, args.checkpoint)
        pictures = [
            example_picture(round(resize.short_side * long_side), resize.short_side, seed)
            for seed, long_side in enumerate((1.0, 1.5, 2.2))
        ]
        options = dict(with_nms=not args.without_nms, half_weights=args.half_weights)
        try:
            with tempfile.TemporaryDirectory(dir=out.parent) as folder:
                checked = Path(folder, 'fp32.onnx')
                differences = export_verified(model, checked, resize, pictures, **options)
                if calibration is not None:
                    quantize(checked, out, calibration)
                elif args.fp16:
                    differences = convert_to_half(checked, out, model, pictures)
                else:
                    os.replace(checked, out)
        except ValueError as error:
            raise UserError(f'{out} was not written: {error}') from error
    table = Table('picture', 'people', 'scores differ by', 'positions', 'poses')
    for (width, height), scores, positions, people, poses in differences:
        errors = [f'{error:.1e}' for error in (scores, positions, poses)]
        table.add_row(f'{width} x {height}', str(people), *errors)
    Console().print(table)
    print('positions are relative to the longer side of the picture')
    if calibration is not None:
        print(f'int8: ranges from {len(calibration)} pictures; the table is of the fp32 model')
    print(f'{out}: {out.stat().st_size / 2**20:.1f} MiB')


if __name__ == '__main__':
    main()
