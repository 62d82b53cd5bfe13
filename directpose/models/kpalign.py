"""KPAlign: predict keypoints from the features at the places where they probably are.

This is section 3.2 of the paper. The module has three parts:

- The *locator* predicts one coarse position for each group of keypoints.
- The *sampler* reads the features at this position.
- The *predictor* computes the group's keypoints from these features, as offsets from the position.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmpose.registry import MODELS
from torch import Tensor, nn


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
    x, y = points.unbind(-1)  # (N, P) each
    # With align_corners=False, column j is at (2 j + 1) / W - 1. This also holds if W is 1.
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
    """Compute the points at which the cells of one level sample a finer map.

    Args:
        base (Tensor): The locator's vectors for m groups, of shape (N, m, 2, H, W), x first, in
            units of the level's stride.
        ratio (int): The stride of the level divided by the stride of the sampled map.

    Returns:
        Tensor: Points of shape (N, m, H * W, 2), as x and y in cells of the sampled map.
    """
    height, width = base.shape[-2:]
    columns = torch.arange(width, device=base.device)
    rows = torch.arange(height, device=base.device)
    x = base[:, :, 0] + columns
    y = base[:, :, 1] + rows[:, None]
    return torch.stack([x, y], dim=-1).flatten(2, 3) * ratio + ratio // 2


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

        # Groups that are computed together are padded to the size of the largest of them.
        # `order[k]` is the place of keypoint k in the list of all padded groups.
        order, start = [0] * sum(self.group_sizes), 0
        for sampling in self.samplings:
            for group in groups[sampling.groups]:
                for i, k in enumerate(group):
                    order[k] = start + i
                start += max(self.group_sizes[sampling.groups])
        self.register_buffer('order', torch.tensor(order), persistent=False)

    def forward(self, feats: Sequence[Tensor]) -> list[Tensor]:
        """Predict the keypoints at every cell of every level.

        Args:
            feats (Sequence[Tensor]): Feature maps of the keypoint tower, finest level first. Each
                has shape (N, G * channels, H, W), where G is the number of groups.

        Returns:
            List[Tensor]: For each level, keypoints of shape (N, 2K, H, W). The channels are x1,
            y1, x2, y2, ..., relative to the location of the cell, in units of the level's stride.
        """
        num_sampled = 1 + max(max(sampling.sources) for sampling in self.samplings)
        return self.sample_and_predict(
            [self.locate(feat) for feat in feats],
            [self.feature_conv(feat) for feat in feats[:num_sampled]],
        )

    def sample_and_predict(
        self, bases: Sequence[Tensor], sampled: Sequence[Tensor]
    ) -> list[Tensor]:
        """Run the sampler and the predictor, which follow the 3x3 convolutions.

        Args:
            bases (Sequence[Tensor]): For each level, the locator's vectors of shape
                (N, G, 2, H, W).
            sampled (Sequence[Tensor]): For each level that is sampled, features of shape
                (N, G * channels, H, W).

        Returns:
            List[Tensor]: The keypoints, see :meth:`forward`.
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
        """Apply 1x1 convolutions to the features at the sampling points.

        Args:
            predictors (nn.ModuleList): One 1x1 convolution for each group. It has two output
                channels for each keypoint.
            bases (Sequence[Tensor]): See :meth:`sample_and_predict`.
            sampled (Sequence[Tensor]): See :meth:`sample_and_predict`.

        Returns:
            List[List[Tensor]]: For each of ``self.samplings``, and in it for each level, a tensor
            of shape (N, m, n, 2, H * W). The sampling has m groups, and the largest of them has n
            keypoints.
        """
        maps = [self.project(feat, predictors) for feat in sampled]
        return [self.sample(predictors, bases, maps, sampling) for sampling in self.samplings]

    def in_order(self, parts: Sequence[Sequence[Tensor]], bases: Sequence[Tensor]) -> list[Tensor]:
        """Join the groups and put their keypoints into the order of the data set.

        Args:
            parts (Sequence[Sequence[Tensor]]): The tensors that :meth:`predict_at` returns.
            bases (Sequence[Tensor]): See :meth:`sample_and_predict`.

        Returns:
            List[Tensor]: For each level, a tensor of shape (N, 2K, H, W).
        """
        preds = []
        for level, base in enumerate(bases):
            pred = torch.cat([part[level].flatten(1, 2) for part in parts], dim=1)[:, self.order]
            preds.append(pred.reshape(base.shape[0], -1, *base.shape[-2:]))  # (N, 2K, H, W)
        return preds

    def _ratio(self, sampling: Sampling, level: int) -> int:
        """Divide the stride of a level by the stride of the level that it samples."""
        return self.strides[level] // self.strides[sampling.sources[level]]

    def locate(self, feat: Tensor) -> Tensor:
        """Run the locator on one level.

        Args:
            feat (Tensor): Features of shape (N, G * channels, H, W).

        Returns:
            Tensor: Vectors of shape (N, G, 2, H, W), x first, in units of the level's stride.
        """
        base = self.locator(feat).view(feat.shape[0], -1, 2, *feat.shape[-2:])  # (N, G, 2, H, W)
        # Sampling positions need full precision, even if the convolutions run in half precision.
        return base.to(torch.promote_types(base.dtype, torch.float32))

    def project(self, feat: Tensor, predictors: nn.ModuleList) -> Tensor:
        """Apply the predictors, without their bias, to the whole feature map of a level.

        Args:
            feat (Tensor): Features of shape (N, G * channels, H, W).
            predictors (nn.ModuleList): See :meth:`predict_at`.

        Returns:
            Tensor: Maps of shape (N, G, 2n, H, W), where n is the number of keypoints of the
            largest group. Smaller groups are padded with channels of zeros.
        """
        size = 2 * max(self.group_sizes)
        weights = [predictor.weight for predictor in predictors]
        # F.pad would hide from ONNX's exporter that the shape is constant.
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
        """Sample the maps of :meth:`project` and add the predictors' bias.

        Args:
            predictors (nn.ModuleList): See :meth:`predict_at`.
            bases (Sequence[Tensor]): See :meth:`sample_and_predict`.
            maps (Sequence[Tensor]): For each level that is sampled, the result of
                :meth:`project`.
            sampling (Sampling): The m groups to compute, and the levels that they sample. The
                largest of these groups has n keypoints.

        Returns:
            List[Tensor]: For each level, a tensor of shape (N, m, n, 2, H * W).
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
