#!/usr/bin/env python3
"""Convert a released DirectPose checkpoint (maskrcnn-benchmark's format) to this project's names.

    python tools/model_converters/directpose_to_mmpose.py fcos_kps_ms_training_R_50_FPN_1x.pth \
        directpose_r50-aa.pth

The result holds a state dict of tensors and nothing else. The command prints every key of the
source that is not used. A file that lacks a tensor of the model is refused. Only the heatmap branch
may be missing, because inference does not need it.
"""

import argparse
import re
from pathlib import Path

import torch
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from directpose.cli.arguments import Parser
from directpose.cli.checkpoint import save_weights
from directpose.cli.config import load_config
from directpose.cli.errors import errors_as_messages
from directpose.engine.checkpoint_fit import check_weights
from directpose.engine.read_checkpoint import read_checkpoint
from directpose.errors import UserError

CONFIGS = Path(__file__).resolve().parents[2] / 'configs/directpose'

LAYER = r'(weight|bias)'
# the original's name as a pattern, and the name here
RULES = [
    (r'backbone\.body\.((?:conv1|bn1|maxpool|layer\d)\..+)', lambda m: f'backbone.{m[1]}'),
    (
        rf'backbone\.fpn\.fpn_inner(\d)\.{LAYER}',
        lambda m: f'neck.lateral_convs.{int(m[1]) - 2}.conv.{m[2]}',
    ),
    (
        rf'backbone\.fpn\.fpn_layer(\d)\.{LAYER}',
        lambda m: f'neck.fpn_convs.{int(m[1]) - 2}.conv.{m[2]}',
    ),
    (
        rf'backbone\.fpn\.top_blocks\.p(\d)\.{LAYER}',
        lambda m: f'neck.fpn_convs.{int(m[1]) - 3}.conv.{m[2]}',
    ),
    (
        rf'rpn\.head\.cls_tower\.(\d+)\.{LAYER}',
        lambda m: f'head.cls_tower.{conv_or_norm(m[1], "gn")}.{m[2]}',
    ),
    (
        rf'rpn\.head\.kps_tower\.(\d+)\.{LAYER}',
        lambda m: f'head.keypoint_tower.{conv_or_norm(m[1], "gn")}.{m[2]}',
    ),
    (rf'rpn\.head\.cls_logits\.{LAYER}', lambda m: f'head.conv_cls.{m[1]}'),
    (rf'rpn\.head\.centerness\.{LAYER}', lambda m: f'head.conv_centerness.{m[1]}'),
    (rf'rpn\.head\.kps_bases\.{LAYER}', lambda m: f'head.keypoint_branch.locator.{m[1]}'),
    (
        rf'rpn\.head\.sample_features_conv\.([01])\.{LAYER}',
        lambda m: f'head.keypoint_branch.feature_conv.{("conv", "gn")[int(m[1])]}.{m[2]}',
    ),
    (
        rf'rpn\.head\.kps_offsets\.(\d+)\.kps_offsets\.{LAYER}',
        lambda m: f'head.keypoint_branch.predictors.{m[1]}.{m[2]}',
    ),
    (
        r'heatmaps\.deeplab\.seg_head\.(\d+)\.(.+)',
        lambda m: f'head.heatmap_head.convs.{conv_or_norm(m[1], "bn")}.{m[2]}',
    ),
    (rf'heatmaps\.deeplab\.heatmaps\.{LAYER}', lambda m: f'head.heatmap_head.conv_heatmap.{m[1]}'),
]


def conv_or_norm(position: str, norm: str) -> str:
    """The position in the original's [conv, norm, ReLU, conv, norm, ReLU, ...]."""
    layer, part = divmod(int(position), 3)
    return f'{layer}.{("conv", norm)[part]}'


def convert(state_dict: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Rename the parameters and buffers of a released checkpoint.

    Args:
        state_dict (dict): By the original's names, with or without the prefix ``module.``.

    Returns:
        tuple[dict, list[str]]: The tensors by this project's names, and the names not used.
    """
    converted, unused = {}, []
    for name, tensor in state_dict.items():
        for pattern, rename in RULES:
            match = re.fullmatch(pattern, name.removeprefix('module.'))
            if match:
                converted[rename(match)] = tensor
                break
        else:
            unused.append(name)
    return converted, unused


def guess_config(converted: dict[str, torch.Tensor]) -> str:
    """Return the config of the released model that has these tensors: R-101 or R-50."""
    depth = 101 if any(name.startswith('backbone.layer3.6.') for name in converted) else 50
    return str(CONFIGS / f'directpose_r{depth}-aa_fpn_8xb4-180k_coco.py')


def run(src: str, dst: str, config: str | None = None) -> None:
    """Convert a file, and print what was done.

    Args:
        src (str): Checkpoint in the original format.
        dst (str): Where to write the result.
        config (str, optional): Config of the model. Defaults to the released model's.

    Raises:
        UserError: If the folder of the result is missing, if the result is a folder itself, or if
            there is no such config.
        CheckpointError: If the source cannot be read, or is not the whole model.
        DiskError: If the result cannot be written.
    """
    if not Path(dst).parent.is_dir():
        raise UserError(f'{dst}: there is no folder {Path(dst).parent}; make it first')
    checkpoint = read_checkpoint(src, key='model')
    converted, unused = convert(checkpoint['model'])
    cfg = load_config(config or guess_config(converted))
    init_default_scope(cfg.default_scope)
    check_weights(MODELS.build(cfg.model), dict(state_dict=converted), src)
    save_weights(converted, dst)
    print(f'{len(converted)} tensors written to {dst}')
    if not any('heatmap_head' in name for name in converted):
        print('The heatmap branch is missing: the file is for inference, not for training.')
    for key in [key for key in checkpoint if key != 'model'] + unused:
        print(f'not used: {key}')


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('src', help='checkpoint in the original format')
    parser.add_argument('dst', help='where to write the converted checkpoint')
    parser.add_argument(
        '--config',
        help='config of the model; needed only if the model is not one of the released ones',
    )
    args = parser.parse_args(argv)
    with errors_as_messages():
        run(args.src, args.dst, args.config)


if __name__ == '__main__':
    main()
