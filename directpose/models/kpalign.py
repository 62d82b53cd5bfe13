"""KPAlign: look again at where the keypoints probably are (paper section 3.2).

A *locator* regresses one coarse position for each group of keypoints, a *sampler* takes the
features found there, and a *predictor* turns them into the offsets of the group's keypoints.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmpose.registry import MODELS
from torch import Tensor, nn


def sample_bilinear(maps: Tensor, points: Tensor) -> Tensor:
    """Bilinear samples of a map at arbitrary points, zero outside the map.

    A corner that lies outside counts as 0, as in a deformable convolution.

    Args:
        maps (Tensor): (N, C, H, W).
        points (Tensor): (N, P, 2), x and y in cells: (0, 0) is the first cell itself. Their
            precision is that of the result.

    Returns:
        Tensor: (N, C, P).
    """
    height, width = maps.shape[-2:]
    x, y = points.unbind(-1)  # (N, P) each
    # with align_corners=False cell j is at (2 j + 1) / W - 1, also where W is 1
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
    samples = F.grid_sample(
        maps.to(grid.dtype),
        grid.unsqueeze(1),
        mode='bilinear',
        padding_mode='zeros',
        align_corners=False,
    )  # (N, C, 1, P)
    return samples.squeeze(2)


def sampling_points(base: Tensor, ratio: int) -> Tensor:
    """Where the cells of one level look on a map that is ``ratio`` times finer.

    Args:
        base (Tensor): The locator's vectors (N, m, 2, H, W) in strides, x first.
        ratio (int): Stride of the level over that of the sampled map.

    Returns:
        Tensor: (N, m, H * W, 2), x and y in cells of the sampled map.
    """
    height, width = base.shape[-2:]
    columns = torch.arange(width, device=base.device)
    rows = torch.arange(height, device=base.device)
    x = base[:, :, 0] + columns
    y = base[:, :, 1] + rows[:, None]
    return torch.stack([x, y], dim=-1).flatten(2, 3) * ratio + ratio // 2


class Sampling(NamedTuple):
    """Keypoint groups that read the same levels, so that they are handled together."""

    groups: slice
    """The groups."""
    sources: tuple[int, ...]
    """For each level, the level whose features it reads; ascending."""


@MODELS.register_module()
class KPAlign(nn.Module):
    """Regress keypoints from features that are aligned with them.

    A keypoint of level l is found in the features of a finer level s. The groups of small parts
    of the body, the first ``num_finest`` of them, read the finest level; the others read the
    level one finer than l. With r = stride_l / stride_s, the cell (i, j) and its locator's vector
    b, the sampler reads row ``r (i + b_y) + r // 2`` and column ``r (j + b_x) + r // 2``. The
    predictor turns the features found there into offsets o, and the keypoints are at
    ``b + o / r``, in strides of level l from the location of the cell. Gradients reach b through
    the sampling position too.

    Sampling and the predictor's 1x1 convolution are both linear, so the convolution goes first:
    two channels a keypoint are sampled instead of all those of its group. Its bias is added
    after the sampling, which outside of the map gives 0.

    Args:
        channels (int): Channels of each group in the input, a multiple of 4.
        groups (Sequence[Sequence[int]]): The keypoint indices in each group; a partition of
            0 .. K - 1.
        strides (Sequence[int]): Strides of the levels in input pixels, finest first; each one a
            multiple of the one before.
        num_finest (int): How many groups, the first ones, read the finest level. Defaults to 0.
    """

    def __init__(
        self,
        channels: int,
        groups: Sequence[Sequence[int]],
        strides: Sequence[int],
        num_finest: int = 0,
    ) -> None:
        super().__init__()
        num_groups = len(groups)
        width = channels * num_groups
        self.locator = nn.Conv2d(width, 2 * num_groups, 3, padding=1, groups=num_groups)
        self.feature_conv = ConvModule(
            width,
            width,
            3,
            padding=1,
            groups=num_groups,
            bias=True,
            norm_cfg=dict(type='GN', num_groups=width // 4),
        )
        self.predictors = nn.ModuleList(nn.Conv2d(channels, 2 * len(group), 1) for group in groups)

        self.strides = tuple(strides)
        self.groups = [tuple(group) for group in groups]
        self.group_sizes = [len(group) for group in groups]
        num_levels = len(strides)
        finest = Sampling(slice(0, num_finest), (0,) * num_levels)
        finer = Sampling(
            slice(num_finest, num_groups), tuple(max(level - 1, 0) for level in range(num_levels))
        )
        self.samplings = [s for s in (finest, finer) if self.group_sizes[s.groups]]

        # Groups that are handled together are padded to the size of the largest of them.
        # `order[k]` is the place of keypoint k among the padded groups.
        order, start = [0] * sum(self.group_sizes), 0
        for sampling in self.samplings:
            for group in groups[sampling.groups]:
                for i, k in enumerate(group):
                    order[k] = start + i
                start += max(self.group_sizes[sampling.groups])
        self.register_buffer('order', torch.tensor(order), persistent=False)

    def forward(self, feats: Sequence[Tensor]) -> list[Tensor]:
        """Keypoints at every cell of every level.

        Args:
            feats (Sequence[Tensor]): The keypoint tower's maps, (N, G * channels, H, W), a level
                each, finest first.

        Returns:
            List[Tensor]: (N, 2K, H, W) a level: x1, y1, x2, y2, ... in units of the level's
            stride, relative to the location of the cell.
        """
        num_sampled = 1 + max(max(sampling.sources) for sampling in self.samplings)
        return self.sample_and_predict(
            [self.locate(feat) for feat in feats],
            [self.feature_conv(feat) for feat in feats[:num_sampled]],
        )

    def sample_and_predict(
        self, bases: Sequence[Tensor], sampled: Sequence[Tensor]
    ) -> list[Tensor]:
        """The sampler and the predictor: all that follows the 3x3 convolutions.

        Args:
            bases (Sequence[Tensor]): The locator's vectors (N, G, 2, H, W) of every level.
            sampled (Sequence[Tensor]): Features (N, G * channels, H, W) of the levels that are
                sampled.

        Returns:
            List[Tensor]: See :meth:`forward`.
        """
        parts = []
        offsets = self.predict_at(self.predictors, bases, sampled)
        for sampling, levels in zip(self.samplings, offsets):
            parts.append([])
            for level, offset in enumerate(levels):
                base = bases[level][:, sampling.groups].flatten(3).unsqueeze(2)
                parts[-1].append(base + offset / self._ratio(sampling, level))
        return self.in_order(parts, bases)

    def predict_at(
        self, predictors: nn.ModuleList, bases: Sequence[Tensor], sampled: Sequence[Tensor]
    ) -> list[list[Tensor]]:
        """What 1x1 convolutions give for the features that are found at the sampling points.

        Args:
            predictors (nn.ModuleList): A 1x1 convolution for each group, with two channels a
                keypoint.
            bases (Sequence[Tensor]): See :meth:`sample_and_predict`.
            sampled (Sequence[Tensor]): See :meth:`sample_and_predict`.

        Returns:
            List[List[Tensor]]: For each of ``self.samplings`` and each level (N, m, n, 2, H * W):
            m groups, the largest of which has n keypoints.
        """
        maps = [self.project(feat, predictors) for feat in sampled]
        return [self.sample(predictors, bases, maps, sampling) for sampling in self.samplings]

    def in_order(self, parts: Sequence[Sequence[Tensor]], bases: Sequence[Tensor]) -> list[Tensor]:
        """Put the groups together, in the order of the keypoints.

        Args:
            parts (Sequence[Sequence[Tensor]]): As :meth:`predict_at` returns them.
            bases (Sequence[Tensor]): See :meth:`sample_and_predict`.

        Returns:
            List[Tensor]: (N, 2K, H, W) a level.
        """
        preds = []
        for level, base in enumerate(bases):
            pred = torch.cat([part[level].flatten(1, 2) for part in parts], dim=1)[:, self.order]
            preds.append(pred.reshape(base.shape[0], -1, *base.shape[-2:]))  # (N, 2K, H, W)
        return preds

    def _ratio(self, sampling: Sampling, level: int) -> int:
        """The stride of a level over that of the level that it reads."""
        return self.strides[level] // self.strides[sampling.sources[level]]

    def locate(self, feat: Tensor) -> Tensor:
        """The locator: (N, G * channels, H, W) to vectors (N, G, 2, H, W) in strides, x first."""
        base = self.locator(feat).view(feat.shape[0], -1, 2, *feat.shape[-2:])  # (N, G, 2, H, W)
        # sampling positions need full precision, whatever the convolutions run in
        return base.to(torch.promote_types(base.dtype, torch.float32))

    def project(self, feat: Tensor, predictors: nn.ModuleList) -> Tensor:
        """The predictors without their bias: (N, G * channels, H, W) to (N, G, 2n, H, W).

        n is the size of the largest group. Channels that a smaller group does not have are 0.
        """
        size = 2 * max(self.group_sizes)
        weights = [predictor.weight for predictor in predictors]
        # not F.pad: ONNX's exporter must see a constant shape
        weight = torch.cat(
            [torch.cat([w, w.new_zeros(size - w.shape[0], *w.shape[1:])]) for w in weights]
        )  # (G * 2n, C, 1, 1)
        return F.conv2d(feat, weight, groups=len(predictors)).view(
            feat.shape[0], -1, size, *feat.shape[-2:]
        )  # (N, G, 2n, H, W)

    def sample(
        self,
        predictors: nn.ModuleList,
        bases: Sequence[Tensor],
        maps: Sequence[Tensor],
        sampling: Sampling,
    ) -> list[Tensor]:
        """Sample the projected maps and add the predictors' bias, for m groups.

        Args:
            predictors (nn.ModuleList): See :meth:`predict_at`.
            bases (Sequence[Tensor]): The locator's vectors (N, G, 2, H, W) of every level.
            maps (Sequence[Tensor]): Projected maps (N, G, 2n', H, W) of the levels sampled.
            sampling (Sampling): The m groups, the largest with n keypoints, and what they read.

        Returns:
            List[Tensor]: (N, m, n, 2, H * W) of every level.
        """
        groups, sources = sampling
        sizes = self.group_sizes[groups]
        n = max(sizes)
        biases = [predictor.bias for predictor in predictors[groups]]
        bias = torch.stack([F.pad(b, (0, 2 * n - len(b))) for b in biases])  # (m, 2n)
        bias = bias.view(len(sizes), n, 2, 1)
        found = []
        for source in sorted(set(sources)):
            levels = [level for level, s in enumerate(sources) if s == source]
            points = [
                sampling_points(bases[level][:, groups], self._ratio(sampling, level))
                for level in levels
            ]
            values = sample_bilinear(
                maps[source][:, groups, : 2 * n].flatten(0, 1),  # (N * m, 2n, H, W)
                torch.cat(points, dim=2).flatten(0, 1),
            )  # (N * m, 2n, P)
            values = values.view(-1, len(sizes), n, 2, values.shape[-1]) + bias
            found += values.split([p.shape[2] for p in points], dim=-1)
        return found
