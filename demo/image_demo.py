#!/usr/bin/env python3
"""Draw poses on pictures.

    python demo/image_demo.py PICTURE_OR_FOLDER CONFIG CHECKPOINT --out-dir poses

writes ``poses/visualizations/*.jpg`` with the drawn poses and ``poses/predictions/*.json`` with
the keypoints in pixels of the picture.
"""

import argparse
import sys
from pathlib import Path

from mmpose.apis import MMPoseInferencer

from directpose.apis import PRECISIONS, optimize_for_inference
from directpose.cli.checkpoint import check_weights, load_checkpoint_file
from directpose.cli.config import load_config
from directpose.cli.errors import UserError, errors_as_messages


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('inputs', help='a picture, a folder of pictures or a video')
    parser.add_argument('config', help='config file of the model')
    parser.add_argument(
        'checkpoint', help='checkpoint file of the model, or its address (https://...)'
    )
    parser.add_argument('--out-dir', default='poses', help='default: %(default)s')
    parser.add_argument('--device', help='such as cuda:0 or cpu; default: a GPU if there is one')
    parser.add_argument(
        '--score-thr',
        type=float,
        default=0.3,
        help='the least score of the people that are drawn; default: %(default)s',
    )
    parser.add_argument(
        '--optimize',
        choices=PRECISIONS,
        help='prepare the model for speed, to compute in this precision',
    )
    args = parser.parse_args()
    with errors_as_messages():
        for path in (args.inputs, args.config):
            if not Path(path).exists():
                raise UserError(f'{path}: does not exist')
        load_config(args.config)  # refuses what is no Python
        checkpoint = load_checkpoint_file(args.checkpoint)
        inferencer = MMPoseInferencer(args.config, args.checkpoint, device=args.device)
        model = inferencer.inferencer.model
        check_weights(model, checkpoint, args.checkpoint)
    if args.optimize:
        optimize_for_inference(model, PRECISIONS[args.optimize], keep_freed_memory=True)
    # a keypoint's score is its person's, and that is thresholded already
    results = inferencer(args.inputs, out_dir=args.out_dir, bbox_thr=args.score_thr, kpt_thr=0.0)
    number = sum(1 for _ in results)
    if not number:
        sys.exit(f'error: {args.inputs} has no pictures')
    print(f'{number} pictures drawn into {args.out_dir}/visualizations')


if __name__ == '__main__':
    main()
