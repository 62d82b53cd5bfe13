"""Export a trained model to ONNX, and check the file against the model.

::

    python tools/deployment/export_onnx.py configs/directpose/CONFIG.py CHECKPOINT.pth model.onnx

The file is compared with the model on three pictures before it gets its name: what the graph
computes at every location, how it decodes that, and the poses that are found. It is not kept if
something differs by more than rounding, and an older file stays as it was.

``directpose.runtime.DirectPose`` runs the file with numpy, Pillow and ONNX Runtime alone.
"""

import argparse
import sys
from pathlib import Path

from mmpose.apis import init_model
from mmpose.registry import TRANSFORMS
from rich.console import Console
from rich.table import Table

from directpose.analysis import make_picture
from directpose.cli.checkpoint import check_weights, load_checkpoint_file
from directpose.cli.config import load_config
from directpose.cli.errors import UserError, errors_as_messages
from directpose.datasets.transforms import ShortSideResize
from directpose.deployment import export_verified


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('out', help='file to write, .onnx')
    parser.add_argument(
        '--without-nms', action='store_true', help='leave NMS to what runs the file'
    )
    parser.add_argument(
        '--half-weights',
        action='store_true',
        help='store the weights in half precision; for checkpoints that have them so',
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
        'the test pipeline of the config has no ShortSideResize, which is what '
        'directpose.runtime does to a picture'
    )


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    out = Path(args.out)
    with errors_as_messages():
        if not out.parent.is_dir():
            raise UserError(f'{out}: there is no folder {out.parent}')
        if out.is_dir():
            raise UserError(f'{out} is a folder; give the name of a file in it')
        cfg = load_config(args.config)
        resize = read_resize(cfg.test_dataloader.dataset.pipeline)
        checkpoint = load_checkpoint_file(args.checkpoint)
        model = init_model(cfg, args.checkpoint, device='cpu')
        check_weights(model, checkpoint, args.checkpoint)
    pictures = [
        make_picture(round(resize.short_side * long_side), resize.short_side, seed)
        for seed, long_side in enumerate((1.0, 1.5, 2.2))
    ]
    try:
        differences = export_verified(
            model, out, resize, pictures, not args.without_nms, args.half_weights
        )
    except ValueError as error:
        sys.exit(f'error: {out} was not written: {error}')
    table = Table('picture', 'people', 'scores differ by', 'positions', 'poses')
    for (width, height), scores, positions, people, poses in differences:
        errors = [f'{error:.1e}' for error in (scores, positions, poses)]
        table.add_row(f'{width} x {height}', str(people), *errors)
    Console().print(table)
    print('positions are relative to the longer side of the picture')
    print(f'{out}: {out.stat().st_size / 2**20:.1f} MiB')


if __name__ == '__main__':
    main()
