#!/usr/bin/env python3
"""Convert a released DirectPose checkpoint (maskrcnn-benchmark's format) to this project's names.

    python tools/model_converters/directpose_to_mmpose.py fcos_kps_ms_training_R_50_FPN_1x.pth \
        directpose_r50-aa.pth

The result holds a state dict of tensors and nothing else. Every key of the source that was not
used is named; a file that lacks a part of the model is refused.
"""

import argparse
import pickle
import re
import sys

import torch

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
        Tuple[dict, List[str]]: The tensors by this project's names, and the names not used.

    Raises:
        ValueError: If a part of the model is missing; the message names it.
    """
    converted, unused, missing = {}, [], {pattern for pattern, _ in RULES}
    for name, tensor in state_dict.items():
        for pattern, rename in RULES:
            match = re.fullmatch(pattern, name.removeprefix('module.'))
            if match and isinstance(tensor, torch.Tensor):
                converted[rename(match)] = tensor
                missing.discard(pattern)
                break
        else:
            unused.append(name)
    if missing:
        raise ValueError('it has nothing like ' + ', '.join(sorted(missing)))
    return converted, unused


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', help='checkpoint in the original format')
    parser.add_argument('dst', help='where to write the converted checkpoint')
    args = parser.parse_args()
    try:
        checkpoint = torch.load(args.src, map_location='cpu', weights_only=True)
        converted, unused = convert(checkpoint['model'])
    except FileNotFoundError:
        sys.exit(f'{args.src} does not exist')
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        sys.exit(f'{args.src} is not a checkpoint that can be loaded safely: {error}')
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        sys.exit(f'{args.src} is not a DirectPose checkpoint: {error!r}')
    torch.save(dict(state_dict=converted), args.dst)
    print(f'{len(converted)} tensors written to {args.dst}')
    for key in [key for key in checkpoint if key != 'model'] + unused:
        print(f'not used: {key}')


if __name__ == '__main__':
    main()
