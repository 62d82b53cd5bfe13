"""Draw what a training sees: pictures after augmentation, with their people and locations.

::

    python tools/analysis_tools/browse_dataset.py CONFIG --out-dir work_dirs/browse --number 20

Each picture shows what the data loader gives the model: the boxes and keypoints of the people, and
a dot at each location that learns a person. A dot has the colour of its person's rim. Its size
shows the level: the dots of a coarse level are large. If a person has no dot, no location learns
this person. The locations are assigned as in FCOS, which does not look at predictions.
"""

import argparse
import os
from collections import Counter

import numpy as np
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from mmpose.registry import DATASETS, MODELS
from mmpose.structures import PoseDataSample
from PIL import Image, ImageDraw
from torch import Tensor, nn

from directpose.cli.arguments import Parser, whole_number
from directpose.cli.config import load_config
from directpose.cli.config_data import check_data, set_data_root
from directpose.cli.errors import errors_as_messages
from directpose.cli.images import enlarge, write_image
from directpose.cli.options import add_cfg_options, add_data_root, make_folder
from directpose.drawing import TINTS, draw_poses
from directpose.models.targets import Locations, assign_persons, pad_people


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--out-dir', required=True, help='folder to write the pictures to')
    parser.add_argument(
        '--number',
        type=whole_number(),
        default=20,
        help='number of pictures to draw; default: %(default)s',
    )
    add_data_root(parser)
    parser.add_argument(
        '--seed',
        type=whole_number(0, 2**32 - 1),
        default=0,
        help='seed of the choice of pictures and of their augmentation; default: %(default)s',
    )
    add_cfg_options(parser)
    return parser.parse_args(argv)


def assign(head: nn.Module, sample: PoseDataSample, divisor: int) -> tuple[Locations, Tensor]:
    """Find out which location learns which person of a picture, by FCOS's rule.

    Args:
        head (nn.Module): A ``DirectPoseHead``.
        sample (PoseDataSample): A sample of the training pipeline.
        divisor (int): The model pads height and width to multiples of this number.

    Returns:
        tuple:
        - locations (Locations): The L locations of all levels.
        - person (Tensor): (L, ), the index of the person whom each location learns, or -1.
    """
    height, width = (-(-side // divisor) * divisor for side in sample.img_shape)
    locations = head.locations(
        [torch.empty(1, 1, -(-height // s), -(-width // s)) for s in head.strides]
    )
    people = pad_people([sample.gt_instance_labels])
    return locations, assign_persons(locations, people.boxes, head.center_sample_radius)[0]


def draw(
    image: np.ndarray, people: InstanceData, locations: Locations, person: Tensor, metainfo: dict
) -> np.ndarray:
    """Draw people, and a dot at each location that learns one.

    Args:
        image (np.ndarray): (H, W, 3) in BGR.
        people (InstanceData): The people's ``bboxes``, ``keypoints`` and ``keypoints_visible``,
            in pixels of the image.
        locations (Locations): L locations, in pixels of the image.
        person (Tensor): (L, ), the index of the person whom each location learns, or -1.
        metainfo (dict): The metainfo of the data set.

    Returns:
        np.ndarray: The drawn picture, (H, W, 3) in BGR. A small picture is enlarged by a whole
        factor.
    """
    width = image.shape[1]
    image = enlarge(image)
    zoom = image.shape[1] / width

    def place(points) -> np.ndarray:
        return (np.asarray(points) + 0.5) * zoom - 0.5

    drawn = draw_poses(
        image,
        place(people.keypoints),
        metainfo['skeleton_links'],
        [metainfo['keypoint_id2name'][k] for k in range(people.keypoints.shape[1])],
        visibility=2 * (np.asarray(people.keypoints_visible) > 0),
        boxes=place(people.bboxes),
    )
    canvas = Image.fromarray(np.ascontiguousarray(drawn[..., ::-1]))
    pen = ImageDraw.Draw(canvas)
    for location in torch.nonzero(person >= 0)[:, 0]:
        centre = place(locations.points[location])
        radius = zoom * max(float(locations.strides[location]) / 5, 2)
        pen.ellipse(
            [*(centre - radius), *(centre + radius)],
            fill=TINTS[int(person[location]) % len(TINTS)],
            outline=(255, 255, 255),
            width=max(round(radius / 5), 1),
        )
    return np.asarray(canvas)[..., ::-1]


def browse(args: argparse.Namespace) -> None:
    make_folder(args.out_dir, f'--out-dir {args.out_dir}')
    cfg = load_config(args.config, args.cfg_options)
    if args.data_root is not None:
        set_data_root(cfg, args.data_root, ('train',))
    check_data(cfg, ('train',))
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmpose')):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        head = MODELS.build(cfg.model.head)
    divisor = cfg.model.data_preprocessor.get('pad_size_divisor', 1)
    rng = np.random.default_rng(args.seed)
    np.random.seed(args.seed)
    learning, levels = Counter(), Counter()
    indices = rng.permutation(len(dataset))[: args.number].tolist()
    for number, index in enumerate(indices):
        data = dataset[index]
        sample = data['data_samples']
        people = sample.gt_instance_labels
        locations, person = assign(head, sample, divisor)
        counts = person[person >= 0].bincount(minlength=len(people.bboxes)).tolist()
        learning.update('none' if n == 0 else '1 to 3' if n < 4 else '4 or more' for n in counts)
        levels.update(locations.strides[person >= 0].int().tolist())
        image = data['inputs'].permute(1, 2, 0).numpy()
        name = os.path.splitext(os.path.basename(sample.img_path))[0]
        path = os.path.join(args.out_dir, f'{number:04d}_{name}.jpg')
        write_image(path, draw(image, people, locations, person, dataset.metainfo))
    print(f'{len(indices)} of {len(dataset)} pictures drawn into {args.out_dir}')
    print('people by the number of locations that learn them:')
    for group in ('none', '1 to 3', '4 or more'):
        print(f'  {group:<10} {learning[group]}')
    print('locations by the stride of their level:')
    for stride in head.strides:
        print(f'  {stride:<10} {levels[stride]}')


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_as_messages(args.config):
        browse(args)


if __name__ == '__main__':
    main()
