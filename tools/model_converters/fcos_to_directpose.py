#!/usr/bin/env python3
"""Make initial weights for DirectPose from MMDetection's FCOS, trained on COCO's boxes.

    python tools/model_converters/fcos_to_directpose.py \
        fcos_r50_caffe_fpn_gn-head_1x_coco-821213aa.pth work_dirs/fcos_r50-caffe.pth

takes the backbone, the FPN, the classification tower with the row of the class "person", and the
centerness. The keypoint tower, KPAlign and the heatmap branch start with random weights. The result
is for ``load_from`` of configs/directpose/directpose_r50-caffe_fpn_fcos-start_1xb8-90k_coco.py.
"""

import argparse
import re

import torch

from directpose.cli.arguments import Parser
from directpose.cli.checkpoint import load_checkpoint_file, save_weights
from directpose.cli.errors import errors_as_messages
from directpose.engine.read_checkpoint import state_dict_of
from directpose.errors import UserError

# MMDetection's name as a pattern, and the name here
RULES = [
    (r'(backbone\..+)', r'\1'),
    (r'(neck\.(?:lateral|fpn)_convs\..+)', r'\1'),
    (r'bbox_head\.cls_convs\.(.+)', r'head.cls_tower.\1'),
    (r'bbox_head\.conv_cls\.(weight|bias)', r'head.conv_cls.\1'),
    (r'bbox_head\.conv_centerness\.(weight|bias)', r'head.conv_centerness.\1'),
]
# What boxes need and keypoints do not.
LEFT_OUT = re.compile(r'bbox_head\.(reg_convs|conv_reg|scales)\..+')


def convert(state_dict: dict[str, torch.Tensor], person: int) -> dict[str, torch.Tensor]:
    """Rename what DirectPose shares with FCOS.

    Args:
        state_dict (dict): Of MMDetection's ``FCOS`` with group normalisation in the head.
        person (int): Index of the class "person".

    Returns:
        dict: The tensors by this project's names.

    Raises:
        ValueError: If a part is missing, or if there is a part that FCOS does not have.
    """
    converted, unknown, missing = {}, [], {pattern for pattern, _ in RULES}
    for name, tensor in state_dict.items():
        for pattern, replacement in RULES:
            if re.fullmatch(pattern, name):
                if '.conv_cls.' in name:
                    tensor = tensor[person : person + 1].clone()
                converted[re.sub(pattern, replacement, name)] = tensor
                missing.discard(pattern)
                break
        else:
            if not LEFT_OUT.fullmatch(name):
                unknown.append(name)
    if missing:
        raise ValueError('it lacks weights like ' + ', '.join(sorted(missing)))
    if unknown:
        raise ValueError('it has weights that FCOS lacks: ' + ', '.join(sorted(unknown)[:5]))
    for name, tensor in list(converted.items()):
        # MMDetection has no bias before a normalisation; here, as in the original, there is one.
        if re.fullmatch(r'head\.cls_tower\.\d+\.conv\.weight', name):
            bias = name.removesuffix('weight') + 'bias'
            converted.setdefault(bias, tensor.new_zeros(len(tensor)))
    return converted


def person_index(checkpoint: dict) -> int:
    """The index of the class "person": from the file, or 0 as in COCO."""
    meta = checkpoint.get('meta') or {}
    classes = (meta.get('dataset_meta') or {}).get('classes') or meta.get('CLASSES') or ('person',)
    if 'person' not in classes:
        raise ValueError(f'its classes have no "person": {", ".join(map(str, classes))}')
    return list(classes).index('person')


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('src', help="checkpoint of MMDetection's FCOS")
    parser.add_argument('dst', help='where to write the converted checkpoint')
    args = parser.parse_args(argv)
    with errors_as_messages():
        checkpoint = load_checkpoint_file(args.src)
        try:
            converted = convert(state_dict_of(checkpoint), person_index(checkpoint))
        except ValueError as error:
            raise UserError(
                f'{args.src}: not a checkpoint of FCOS with a GN head: {error}'
            ) from error
        save_weights(converted, args.dst)
    print(f'{len(converted)} tensors written to {args.dst}; the keypoint tower has random weights')


if __name__ == '__main__':
    main()
