"""KPAlign as the original computes it, the slow reference of tests and benchmarks."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.ops import deform_conv2d
from torch import Tensor, nn


def deformable_kpalign(
    module: nn.Module,
    feats: Sequence[Tensor],
    groups: Sequence[Sequence[int]],
    num_finest: int = 1,
) -> list[Tensor]:
    """The forward pass of a :class:`~directpose.models.KPAlign`, features not shared.

    Args:
        module (nn.Module): The KPAlign whose weights are used.
        feats (Sequence[Tensor]): As its ``forward``.
        groups (Sequence[Sequence[int]]): As its argument.
        num_finest (int): As its argument.
    """
    sampled = [module.feature_conv(feat) for feat in feats]
    bases = [module.locator(feat) for feat in feats]
    return deformable_sample_and_predict(module, bases, sampled, groups, num_finest)


def deformable_sample_and_predict(
    module: nn.Module,
    bases: Sequence[Tensor],
    sampled: Sequence[Tensor],
    groups: Sequence[Sequence[int]],
    num_finest: int = 1,
) -> list[Tensor]:
    """A 1x1 deformable convolution of all channels for each group and level.

    Args:
        module (nn.Module): The KPAlign whose predictors are used.
        bases (Sequence[Tensor]): The locator's maps (N, 2G, H, W), x first, of every level.
        sampled (Sequence[Tensor]): The features (N, G * channels, H, W) of every level.
        groups (Sequence[Sequence[int]]): The keypoint indices in each group.
        num_finest (int): The number of groups, the first ones, that sample the finest level.
    """
    channels = sampled[0].shape[1] // len(groups)
    preds = []
    for level, base in enumerate(bases):
        height, width = base.shape[-2:]
        pred = base.new_zeros(len(base), sum(map(len, groups)), 2, height, width)
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
        for g, group in enumerate(groups):
            source = 0 if g < num_finest else max(level - 1, 0)
            ratio = module.strides[level] // module.strides[source]
            b = base[:, 2 * g : 2 * g + 2]
            maps = sampled[source][:, g * channels : (g + 1) * channels]
            y = ratio * (rows + b[:, 1]) + ratio // 2
            x = ratio * (columns + b[:, 0]) + ratio // 2
            # with stride r, cell (i, j) starts from (r i, r j) of a map that holds all of those
            missing = [
                max(ratio * (cells - 1) + 1 - size, 0)
                for cells, size in zip((height, width), maps.shape[-2:])
            ]
            maps = F.pad(maps, (0, missing[1], 0, missing[0]))
            offset = maps.new_zeros(
                len(maps), 2, *((size - 1) // ratio + 1 for size in maps.shape[-2:])
            )
            offset[:, 0, :height, :width] = y - ratio * rows  # mmcv wants y first
            offset[:, 1, :height, :width] = x - ratio * columns
            predictor = module.predictors[g]
            out = deform_conv2d(maps, offset, predictor.weight, ratio)  # the stride
            out = out[..., :height, :width] + predictor.bias.view(1, -1, 1, 1)
            pred[:, group] = b[:, None] + out.unflatten(1, (-1, 2)) / ratio
        preds.append(pred.flatten(1, 2))
    return preds
