"""Export a trained model to ONNX, and check the file against the model.

::

    python tools/deployment/export_onnx.py configs/directpose/CONFIG.py CHECKPOINT.pth model.onnx

The file is written under a temporary name beside and gets its own once it finds what the model
finds: scores to 1e-3, coordinates to 1e-3 input pixels. Otherwise it is removed, and an older file
stays as it was.

``directpose.runtime.DirectPose`` runs the file with numpy, Pillow and ONNX Runtime alone.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mmpose.apis import inference_bottomup, init_model
from mmpose.registry import TRANSFORMS
from rich.console import Console
from rich.table import Table
from torch import nn

from directpose.analysis import make_picture
from directpose.cli.checkpoint import check_weights, load_checkpoint_file
from directpose.cli.config import load_config
from directpose.cli.errors import UserError, errors_as_messages
from directpose.datasets.transforms import ShortSideResize
from directpose.deployment import export_onnx
from directpose.runtime import DirectPose, Poses

TOLERANCE = 1e-3
"""Of scores, and of coordinates in pixels of the network's input."""


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


def predict(model: nn.Module, image: np.ndarray, score_thr: float) -> Poses:
    """What the PyTorch model finds on a picture, in pixels of the picture."""
    model.test_cfg['score_thr'] = score_thr
    found = inference_bottomup(model, image)[0].pred_instances
    return Poses(found.keypoints, found.bbox_scores, found.bboxes)


def thresholds(model: nn.Module, image: np.ndarray) -> list[float]:
    """Score thresholds that leave nobody, one person and as many as possible."""
    best_two = predict(model, image, score_thr=0.0).scores[:2]
    return [1.0, float(best_two.mean()) if len(best_two) else 0.0, 0.0]


def compare(expected: Poses, got: Poses) -> tuple[float, float]:
    """Largest differences of scores and of coordinates; infinite where people are missing."""
    if len(expected.scores) != len(got.scores):
        return np.inf, np.inf
    coordinates = [np.abs(a - b).max(initial=0) for a, b in zip(expected, got) if a.ndim > 1]
    return np.abs(expected.scores - got.scores).max(initial=0), max(coordinates)


def agree(expected: Poses, got: Poses, scale: float) -> bool:
    """Whether poses differ by no more than rounding.

    Args:
        expected (Poses): What the model finds, in pixels of the picture.
        got (Poses): What the file finds.
        scale (float): Input pixels to a pixel of the picture.

    Returns:
        bool: False too where the numbers of people differ, or where one is NaN.
    """
    if len(expected.scores) != len(got.scores):
        return False
    return np.allclose(got.scores, expected.scores, rtol=0, atol=TOLERANCE) and all(
        np.allclose(b * scale, a * scale, rtol=0, atol=TOLERANCE)
        for a, b in zip(expected, got)
        if a.ndim > 1
    )


def check(model: nn.Module, run: Callable[..., DirectPose], short_side: int) -> Table:
    """Compare file and model on three sizes, with nobody, one and many people.

    Raises:
        UserError: If they differ.
    """
    table = Table('picture', 'people', 'scores differ by', 'coordinates, input px')
    for seed, long_side in enumerate((1.0, 1.5, 2.2)):
        width, height = round(short_side * long_side), short_side
        picture = make_picture(width, height, seed)
        for score_thr in thresholds(model, picture):
            expected = predict(model, picture, score_thr)
            got = run(score_thr=score_thr)(picture)
            scores, pixels = compare(expected, got)
            scale = short_side / min(height, width)
            pixels *= scale
            table.add_row(
                f'{width} x {height}', str(len(expected.scores)), f'{scores:.1e}', f'{pixels:.1e}'
            )
            if not agree(expected, got, scale):
                raise UserError(
                    f'the file finds {len(got.scores)} people on a picture of {width} x {height} '
                    f'where the model finds {len(expected.scores)}; scores differ by {scores:.1e}, '
                    f'coordinates by {pixels:.1e} px'
                )
    return table


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
    unchecked = out.with_name(f'{out.name}.unchecked')
    try:
        export_onnx(model, unchecked, resize, with_nms=not args.without_nms)
        table = check(model, lambda **kwargs: DirectPose(unchecked, **kwargs), resize.short_side)
        os.replace(unchecked, out)
    except UserError as error:
        sys.exit(f'error: {out} was not written: {error}')
    finally:
        unchecked.unlink(missing_ok=True)
    Console().print(table)
    print(f'{out}: {out.stat().st_size / 2**20:.1f} MiB')


if __name__ == '__main__':
    main()
