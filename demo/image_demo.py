#!/usr/bin/env python3
"""Draw poses on pictures.

    python demo/image_demo.py PICTURE_OR_FOLDER CONFIG CHECKPOINT --out-dir poses

writes ``poses/visualizations/*.jpg`` with the drawn poses and ``poses/predictions/*.json`` with
the keypoints in pixels of the picture. If a picture cannot be read, its name is printed, the other
pictures are drawn, and the exit status is 1.
"""

import argparse
import mimetypes
import sys
from pathlib import Path

import mmcv
import mmengine
import numpy as np
from mmpose.apis import MMPoseInferencer

from directpose.apis import PRECISIONS, optimize_for_inference
from directpose.cli.arguments import Parser, score, whole_number
from directpose.cli.checkpoint import load_checkpoint_file
from directpose.cli.config import load_config
from directpose.cli.device import check_device
from directpose.cli.errors import errors_as_messages
from directpose.cli.options import make_folder
from directpose.engine.checkpoint_fit import check_weights
from directpose.errors import UserError
from directpose.pictures import (
    MAX_PIXELS,
    PictureError,
    find_pictures,
    read_size,
    result_names,
)


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('inputs', help='a picture, a folder of pictures or a video')
    parser.add_argument('config', help='config file of the model')
    parser.add_argument(
        'checkpoint', help='checkpoint file of the model, or its address (https://...)'
    )
    parser.add_argument('--out-dir', default='poses', help='folder to write; default: %(default)s')
    parser.add_argument('--device', help='such as cuda:0 or cpu; default: a GPU if there is one')
    parser.add_argument(
        '--score-thr',
        type=score,
        default=0.3,
        help='the least score of the people that are drawn; default: %(default)s',
    )
    parser.add_argument(
        '--kpt-thr',
        type=score,
        default=0.0,
        help='the least score of the keypoints that are drawn; a keypoint has the score of its '
        'person if the model does not rate keypoints; default: %(default)s, which draws all '
        'keypoints',
    )
    parser.add_argument(
        '--max-pixels',
        type=whole_number(),
        default=MAX_PIXELS,
        help='a picture of more pixels is not read; default: %(default)s',
    )
    parser.add_argument(
        '--optimize',
        choices=PRECISIONS,
        help='prepare the model for speed, and compute in this precision',
    )
    args = parser.parse_args()
    with errors_as_messages(args.config):
        check_device(args.device)
        if not Path(args.inputs).exists():
            raise UserError(f'{args.inputs}: does not exist')
        config = load_config(args.config).filename
        pictures = list_pictures(args.inputs)
        for name in ('visualizations', 'predictions'):
            make_folder(Path(args.out_dir, name), f'--out-dir {args.out_dir}')
        checkpoint = load_checkpoint_file(args.checkpoint)
        inferencer = MMPoseInferencer(config, args.checkpoint, device=args.device)
        model = inferencer.inferencer.model
        check_weights(model, checkpoint, args.checkpoint)
    if args.optimize:
        optimize_for_inference(model, PRECISIONS[args.optimize], keep_freed_memory=True)
    thresholds = dict(bbox_thr=args.score_thr, kpt_thr=args.kpt_thr)
    if pictures is None:
        frames = sum(1 for _ in inferencer(args.inputs, out_dir=args.out_dir, **thresholds))
        print(f'{frames} frames drawn into {args.out_dir}/visualizations')
        return
    broken = []
    for path, name in zip(pictures, result_names(pictures), strict=True):
        try:
            image = read(path, args.max_pixels)
        except PictureError as error:
            print(f'error: {error}', file=sys.stderr)
            broken.append(path)
            continue
        (result,) = inferencer(image, return_vis=True, **thresholds)
        drawn = mmcv.rgb2bgr(result['visualization'][0])
        mmcv.imwrite(drawn, f'{args.out_dir}/visualizations/{name}.jpg')
        mmengine.dump(result['predictions'][0], f'{args.out_dir}/predictions/{name}.json', indent=2)
    print(f'{len(pictures) - len(broken)} pictures drawn into {args.out_dir}/visualizations')
    if broken:
        sys.exit(f'error: {len(broken)} of {len(pictures)} pictures could not be read')


def list_pictures(inputs: str) -> list[str] | None:
    """The picture, or those of the folder; None for a video."""
    if Path(inputs).is_dir():
        pictures, others = find_pictures(inputs)
        if not pictures:
            raise UserError(f'{inputs} has no pictures')
        if others:
            print(f'{len(others)} other entries of {inputs} are skipped, such as {others[0]}')
        return pictures
    is_video = (mimetypes.guess_type(inputs)[0] or '').startswith('video')
    return None if is_video else [inputs]


def read(path: str, max_pixels: int) -> np.ndarray:
    """The pixels (H, W, 3), BGR, by the decoder of training and testing."""
    read_size(path, max_pixels)
    image = mmcv.imread(path)
    if image is None:
        read_size(path, max_pixels, decode=True)  # says what is wrong
        raise PictureError(f'{path}: OpenCV cannot read the picture; save it as JPEG or PNG')
    return image


if __name__ == '__main__':
    main()
