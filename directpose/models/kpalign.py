"""KPAlign: predict keypoints from the features at the places where they probably are.

This is section 3.2 of the paper. The module has three parts:

- The *locator* predicts one coarse position for each group of keypoints.
- The *sampler* reads the features at this position.
- The *predictor* computes the group's keypoints from these features, as offsets from the position.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from .cells import Cells


def sample_bilinear(maps: Tensor, points: Tensor) -> Tensor:
    """Sample feature maps at arbitrary points by bilinear interpolation.

    Cells outside the map count as 0, as in a deformable convolution.

    Args:
        maps (Tensor): Feature maps of shape (N, C, H, W).
        points (Tensor): Points of shape (N, P, 2), as x and y in cells. The point (0, 0) is the
            centre of the first cell. The result has the data type of the points.

    Returns:
        Tensor: Samples of shape (N, C, P).
    """
    height, width = maps.shape[-2:]
    # With align_corners=False, column j is at (2 j + 1) / W - 1. This also holds if W is 1.
    x, y = (2 * points + 1).unbind(-1)  # (N, P) each
    grid = torch.stack([x / width, y / height], dim=-1) - 1
    samples = F.grid_sample(
        maps.to(grid.dtype),
        grid.unsqueeze(1),
        mode='bilinear',
        padding_mode='zeros',
        align_corners=False,
    )  # (N, C, 1, P)
    return samples.squeeze(2)


def sampling_points(base: Tensor, positions: Tensor, ratio: Tensor) -> Tensor:
    """Compute the points at which cells sample a finer map.

    Args:
        base (Tensor): The locator's vectors for m groups, of shape (N, m, 2, P), x first, in
            units of the stride of the cell's level.
        positions (Tensor): Column and row of each cell, of shape (2, P) or (N, 2, P).
        ratio (Tensor): For each cell, the stride of its level divided by the stride of the
            sampled map, of shape (P, ).

    Returns:
        Tensor: Points of shape (N, m, P, 2), as x and y in cells of the sampled map.
    """
    return ((base + positions.unsqueeze(-3)) * ratio + ratio // 2).transpose(2, 3)


class Sampling(NamedTuple):
    """Neighbouring keypoint groups that sample the same levels and so are computed together."""

    groups: slice
    """The place of these groups in the list of all groups."""
    sources: tuple[int, ...]
    """For each level, the index of the level that these groups sample, in ascending order."""


@MODELS.register_module()
class KPAlign(nn.Module):
    """Predict keypoints from features that are sampled where the keypoints probably are.

    The keypoints of a group share one sampling position. Level l does not sample its own features
    but those of a finer level s. For the first ``num_finest`` groups, which are small parts of
    the body, s is the finest level. For all other groups, s is the next finer level. The finest
    level samples itself.

    Let r be stride_l / stride_s, and let b be the locator's vector at the cell in row i and
    column j of level l. The sampler reads the features of level s at row
    ``r (i + b_y) + r // 2`` and column ``r (j + b_x) + r // 2``. From these features the
    predictor computes an offset o for each keypoint of the group. The keypoint is at
    ``b + o / r``, measured from the location of the cell in strides of level l. Gradients reach b
    through this sum and through the sampling position.

    The predictor is a 1x1 convolution. It is linear, and so is the sampling. Therefore the
    convolution can come first. Then only two channels for each keypoint are sampled, not all
    channels of its group. The bias is added after the sampling, because a point outside the map
    gets the bias as well.

    Args:
        channels (int): Number of input channels of each group. It must be a multiple of 4.
        groups (Sequence[Sequence[int]]): The keypoint indices of each group. Each index from 0 to
            K - 1 must be in exactly one group.
        strides (Sequence[int]): The stride of each level in input pixels, finest level first.
            Each stride must be a multiple of the one before.
        num_finest (int): Number of groups that sample the finest level. They are the first ones
            in ``groups``. Defaults to 0.

    Raises:
        ValueError: If a stride is not a multiple of the one before.
    """

    def __init__(
        self,
        channels: int,
        groups: Sequence[Sequence[int]],
        strides: Sequence[int],
        num_finest: int = 0,
    ) -> None:
        super().__init__()
        if any(coarse % fine for fine, coarse in pairwise(strides)):
            raise ValueError(
                f'KPAlign needs strides that are multiples of the one before, not {tuple(strides)}'
            )
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

        # `ratios[s, l]` is the stride of level l divided by that of the level that it samples.
        ratios = [
            [stride // strides[source] for stride, source in zip(strides, sampling.sources)]
            for sampling in self.samplings
        ]
        self.register_buffer('ratios', torch.tensor(ratios), persistent=False)

        # Groups that are computed together are padded to the size of the largest of them.
        # `order[k]` is the place of keypoint k in the list of all padded groups.
        order, start = [0] * sum(self.group_sizes), 0
        for sampling in self.samplings:
            for group in groups[sampling.groups]:
                for i, k in enumerate(group):
                    order[k] = start + i
                start += max(self.group_sizes[sampling.groups])
        self.register_buffer('order', torch.tensor(order), persistent=False)

    def forward(self, feats: Sequence[Tensor]) -> dict[str, list[Tensor]]:
        """Predict the keypoints at every cell of every level.

        Args:
            feats (Sequence[Tensor]): Feature maps of the keypoint tower, finest level first. Each
                has shape (N, G * channels, H, W), where G is the number of groups.

        Returns:
            dict[str, list[Tensor]]: ``keypoint_pred``, for each level keypoints of shape
            (N, 2K, H, W). The channels are x1, y1, x2, y2, ..., relative to the location of the
            cell, in units of the level's stride.
        """
        cells = Cells.of(feats)
        values = self.predict_at(self.encode(feats), cells)
        return {name: cells.to_maps(value, feats) for name, value in values.items()}

    def encode(self, feats: Sequence[Tensor]) -> dict[str, list[Tensor]]:
        """Run the convolutions, which come before the sampling.

        Args:
            feats (Sequence[Tensor]): See :meth:`forward`.

        Returns:
            dict[str, list[Tensor]]: ``keypoint_base``, for each level the locator's vectors of
            shape (N, 2G, H, W), and the maps of :meth:`project`.
        """
        num_sampled = 1 + max(max(sampling.sources) for sampling in self.samplings)
        sampled = [self.feature_conv(feat) for feat in feats[:num_sampled]]
        return dict(keypoint_base=[self.locate(feat) for feat in feats], **self.project(sampled))

    def project(self, sampled: Sequence[Tensor]) -> dict[str, list[Tensor]]:
        """Apply the predictors, which are 1x1 convolutions, without their bias.

        Args:
            sampled (Sequence[Tensor]): For each level that is sampled, features of shape
                (N, G * channels, H, W).

        Returns:
            dict[str, list[Tensor]]: ``keypoint_offset``, for each level that is sampled a map of
            shape (N, G * 2n, H, W), where n is the number of keypoints of the largest group. The
            channels of a group are x1, y1, x2, y2, ..., in units of the stride of this level.
        """
        return dict(keypoint_offset=self.convolve(self.predictors, sampled))

    def predict_at(self, maps: Mapping[str, Sequence[Tensor]], cells: Cells) -> dict[str, Tensor]:
        """Predict the keypoints at some cells.

        Args:
            maps (Mapping[str, Sequence[Tensor]]): The maps of :meth:`encode`.
            cells (Cells): The P cells.

        Returns:
            dict[str, Tensor]: ``keypoint_pred``, the keypoints of these cells, of shape
            (N, 2K, P), in the order and the units of :meth:`forward`.
        """
        base = cells.read(maps['keypoint_base']).unflatten(1, (-1, 2))  # (N, G, 2, P)
        return self.predict_from(self.points(base, cells), maps, base, cells)

    def predict_from(
        self,
        points: Sequence[Tensor],
        maps: Mapping[str, Sequence[Tensor]],
        base: Tensor,
        cells: Cells,
    ) -> dict[str, Tensor]:
        """Predict the keypoints from what stands in the maps at the sampling points.

        Args:
            points (Sequence[Tensor]): The result of :meth:`points`.
            maps (Mapping[str, Sequence[Tensor]]): The maps of :meth:`encode`.
            base (Tensor): The locator's vectors at the P cells, of shape (N, G, 2, P), x first, in
                units of the stride of the cell's level.
            cells (Cells): The P cells.

        Returns:
            dict[str, Tensor]: See :meth:`predict_at`.
        """
        offsets = self.sample(self.predictors, maps['keypoint_offset'], points, cells)
        parts = [
            base[:, sampling.groups, None] + offset / ratio[cells.levels]
            for sampling, ratio, offset in zip(self.samplings, self.ratios, offsets)
        ]
        return dict(keypoint_pred=self.in_order(parts))

    def points(self, base: Tensor, cells: Cells) -> list[Tensor]:
        """Compute where each cell samples, for each of ``self.samplings``.

        Args:
            base (Tensor): See :meth:`predict_from`.
            cells (Cells): The P cells.

        Returns:
            list[Tensor]: Points of shape (N, m, P, 2) for the m groups of a sampling, as x and y
            in cells of the map that is sampled.
        """
        return [
            sampling_points(base[:, sampling.groups], cells.positions, ratio[cells.levels])
            for sampling, ratio in zip(self.samplings, self.ratios)
        ]

    def in_order(self, parts: Sequence[Tensor]) -> Tensor:
        """Join the groups and put their keypoints into the order of the data set.

        Args:
            parts (Sequence[Tensor]): For each of ``self.samplings`` a tensor of shape
                (N, m, n, 2, P), see :meth:`sample`.

        Returns:
            Tensor: A tensor of shape (N, 2K, P).
        """
        joined = torch.cat([part.flatten(1, 2) for part in parts], dim=1)[:, self.order]
        return joined.flatten(1, 2)

    def locate(self, feat: Tensor) -> Tensor:
        """Run the locator on one level.

        Args:
            feat (Tensor): Features of shape (N, G * channels, H, W).

        Returns:
            Tensor: Vectors of shape (N, 2G, H, W), x first, in units of the level's stride.
        """
        base = self.locator(feat)
        # Sampling positions need full precision, even if the convolutions run in half precision.
        return base.to(torch.promote_types(base.dtype, torch.float32))

    def convolve(self, predictors: nn.ModuleList, feats: Sequence[Tensor]) -> list[Tensor]:
        """Apply 1x1 convolutions, one for each group, without their bias.

        Smaller groups are padded with channels of zeros, so that one convolution is enough.

        Args:
            predictors (nn.ModuleList): One 1x1 convolution for each group. It has two output
                channels for each keypoint.
            feats (Sequence[Tensor]): Maps of shape (N, G * channels, H, W).

        Returns:
            list[Tensor]: Maps of shape (N, G * 2n, H, W), where n is the number of keypoints of the
            largest group.
        """
        weight = torch.cat([self._pad(predictor.weight) for predictor in predictors])
        return [F.conv2d(feat, weight, groups=len(predictors)) for feat in feats]

    def _pad(self, parameter: Tensor) -> Tensor:
        """Pad a predictor's parameter with zeros to the size of the largest group."""
        missing = 2 * max(self.group_sizes) - parameter.shape[0]
        # F.pad would hide from ONNX's exporter that the shape is constant.
        return torch.cat([parameter, parameter.new_zeros(missing, *parameter.shape[1:])])

    def sample(
        self,
        predictors: nn.ModuleList,
        maps: Sequence[Tensor],
        points: Sequence[Tensor],
        cells: Cells,
    ) -> list[Tensor]:
        """Sample the outputs of the predictors, and add their bias.

        Args:
            predictors (nn.ModuleList): See :meth:`convolve`.
            maps (Sequence[Tensor]): For each level that is sampled, the result of
                :meth:`convolve`.
            points (Sequence[Tensor]): The result of :meth:`points`.
            cells (Cells): The P cells.

        Returns:
            list[Tensor]: For each of ``self.samplings`` a tensor of shape (N, m, n, 2, P). The
            sampling has m groups, and the largest of them has n keypoints.
        """
        bias = torch.stack([self._pad(predictor.bias) for predictor in predictors])  # (G, 2n)
        found = []
        for sampling, at in zip(self.samplings, points):
            sizes = self.group_sizes[sampling.groups]
            m, n = len(sizes), max(sizes)
            values = self._read(maps, sampling, cells.counts, at)
            values = values.view(-1, m, n, 2, values.shape[-1])
            found.append(values + bias[sampling.groups, : 2 * n].view(m, n, 2, 1))
        return found

    def _read(
        self, maps: Sequence[Tensor], sampling: Sampling, counts: Sequence[int], points: Tensor
    ) -> Tensor:
        """Sample the maps of some groups.

        Args:
            maps (Sequence[Tensor]): See :meth:`sample`.
            sampling (Sampling): The m groups to compute, and the levels that they sample. The
                largest of these groups has k keypoints.
            counts (Sequence[int]): The number of cells of each level.
            points (Tensor): The points of these cells, of shape (N, m, P, 2), see :meth:`points`.

        Returns:
            Tensor: The samples, of shape (N * m, 2k, P).
        """
        groups, sources = sampling
        size = 2 * max(self.group_sizes)
        channels = slice(groups.start * size, groups.stop * size)
        readers = {  # of each level that is sampled, the number of cells that sample it
            source: sum(count for count, s in zip(counts, sources) if s == source)
            for source in sorted(set(sources))
        }
        samples = []
        parts = points.flatten(0, 1).split(list(readers.values()), dim=1)
        for source, part in zip(readers, parts):
            height, width = maps[source].shape[-2:]
            chosen = maps[source][:, channels].reshape(-1, size, height, width)  # N * m images
            chosen = chosen[:, : 2 * max(self.group_sizes[groups])]
            samples.append(sample_bilinear(chosen, part))
        return torch.cat(samples, dim=2)
