"""Draw where KPAlign looks for each person's keypoints.

::

    python tools/analysis_tools/draw_kpalign.py PICTURE CONFIG CHECKPOINT kpalign.png

A white dot is the location that found a person. A thick arrow leads from this location to the point
where a group of keypoints reads its features. It is the vector that the locator predicts. Thin
lines lead from there to the keypoints of the group. They are the offsets that the predictor gives.
"""

import argparse
import colorsys

import numpy as np
from mmcv.transforms import Compose
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmpose.apis import init_model
from PIL import Image, ImageDraw

from directpose.analysis.sampling_points import SampledPeople, find_sampled_people
from directpose.cli.arguments import Parser, score, whole_number
from directpose.cli.checkpoint import load_checkpoint_file
from directpose.cli.config import load_config
from directpose.cli.config_data import read_test_pipeline
from directpose.cli.device import check_device
from directpose.cli.errors import errors_as_messages
from directpose.cli.images import enlarge, write_image
from directpose.cli.options import add_cfg_options, add_device, check_output
from directpose.engine.checkpoint_fit import check_weights
from directpose.errors import UserError
from directpose.pictures import read_picture

ZOOM = 2
"""The picture is drawn larger by this factor and reduced, which smooths the lines."""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('image', help='picture with people')
    parser.add_argument('config', help='config file of a model with KPAlign')
    parser.add_argument('checkpoint', help='checkpoint file of the model')
    parser.add_argument('out', help='file to write the drawn picture to, such as kpalign.png')
    parser.add_argument(
        '--score-thr',
        type=score,
        default=0.3,
        help='draw people with at least this score; default: %(default)s',
    )
    parser.add_argument(
        '--people',
        type=whole_number(),
        default=3,
        help='largest number of people to draw; default: %(default)s',
    )
    add_device(parser)
    add_cfg_options(parser)
    return parser.parse_args(argv)


def group_colours(number: int) -> list[tuple[int, int, int]]:
    """Choose an RGB colour for each group: hues all round the circle, every second one darker."""
    return [
        tuple(round(255 * c) for c in colorsys.hsv_to_rgb(g / number, 0.85, (1, 0.75)[g % 2]))
        for g in range(number)
    ]


def draw_arrow(draw: ImageDraw.ImageDraw, start, end, width: float, colour: tuple) -> None:
    """Draw an arrow from ``start`` to ``end``."""
    vector = end - start
    length = np.linalg.norm(vector)
    if length < 1:
        return
    along = vector / length
    across = np.array([-along[1], along[0]])
    head = min(4 * width, length)
    neck = end - head * along
    draw.line([*start, *neck], fill=colour, width=max(round(width), 1))
    corners = (end, neck + 0.5 * head * across, neck - 0.5 * head * across)
    draw.polygon([tuple(corner) for corner in corners], fill=colour)


def draw_people(
    image: np.ndarray, people: SampledPeople, groups: list[tuple[int, ...]]
) -> np.ndarray:
    """Draw the locations, arrows and keypoints of people into a pale copy of a picture.

    Args:
        image (np.ndarray): (H, W, 3) in BGR.
        people (SampledPeople): The people, in pixels of the picture.
        groups (list): The keypoint indices of each group.

    Returns:
        np.ndarray: The drawn picture, (H, W, 3) in BGR.
    """
    size = (ZOOM * image.shape[1], ZOOM * image.shape[0])
    # A paler picture lets the arrows stand out.
    pale = (0.55 * image[..., ::-1] + 0.45 * 255).astype(np.uint8)
    canvas = Image.fromarray(pale).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(canvas)
    colours = group_colours(len(groups))
    for location, sampled, keypoints in zip(people.locations, people.sampled, people.keypoints):
        extent = np.linalg.norm(np.ptp(keypoints, axis=0))
        width = ZOOM * max(0.008 * extent, 1)

        def place(point: np.ndarray) -> np.ndarray:
            return ZOOM * (point + 0.5) - 0.5

        def disc(point: np.ndarray, radius: float, colour: tuple) -> None:
            draw.ellipse([*(place(point) - radius), *(place(point) + radius)], fill=colour)

        for colour, point, members in zip(colours, sampled, groups):
            for k in members:
                line = [*place(point), *place(keypoints[k])]
                draw.line(line, fill=colour, width=max(round(0.6 * width), 1))
                disc(keypoints[k], 1.6 * width, colour)
        for colour, point in zip(colours, sampled):
            draw_arrow(draw, place(location), place(point), width, colour)
        disc(location, 3 * width, (0, 0, 0))
        disc(location, 2.2 * width, (255, 255, 255))
    return np.asarray(canvas.reduce(ZOOM))[..., ::-1].copy()


def run(args: argparse.Namespace) -> None:
    check_output(args.out, 'out', ('.png', '.jpg'))
    check_device(args.device)
    cfg = load_config(args.config, args.cfg_options)
    checkpoint = load_checkpoint_file(args.checkpoint)
    image = read_picture(args.image)
    model = init_model(cfg, args.checkpoint, device=args.device)
    check_weights(model, checkpoint, args.checkpoint)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmpose')):
        pipeline = Compose(read_test_pipeline(cfg))
    data = pipeline(dict(img_path=args.image, img_id=0, id=0))
    people = find_sampled_people(model, pseudo_collate([data]))
    chosen = np.flatnonzero(people.scores >= args.score_thr)[: args.people]
    if not len(chosen):
        best = f'; the best has {people.scores[0]:.2f}' if len(people.scores) else ''
        raise UserError(
            f'{args.image}: nobody has a score of {args.score_thr} or more{best}; give another '
            '--score-thr'
        )
    image = enlarge(image)
    # The factor from input pixels to pixels of the drawn picture.
    height, width = data['data_samples'].img_shape
    scale = np.array([image.shape[1] / width, image.shape[0] / height])
    people = SampledPeople(
        people.locations[chosen] * scale,
        people.strides[chosen],
        people.sampled[chosen] * scale,
        people.keypoints[chosen] * scale,
        people.scores[chosen],
    )
    write_image(args.out, draw_people(image, people, model.head.keypoint_branch.groups))
    for number, (value, stride) in enumerate(zip(people.scores, people.strides), 1):
        print(f'person {number}: score {value:.2f}, found on the level of stride {stride:.0f}')
    print(f'drawn into {args.out}')


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_as_messages(args.config):
        run(args)


if __name__ == '__main__':
    main()
