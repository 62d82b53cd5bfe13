"""KPAlign: look again at where the keypoints probably are (paper section 3.2).

A *locator* regresses one coarse position for each group of keypoints, a *sampler* takes the
features found there, and a *predictor* turns them into the offsets of the group's keypoints.
"""

from collections.abc import Sequence

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


@MODELS.register_module()
class KPAlign(nn.Module):
    """Regress keypoints from features that are aligned with them.

    For level l and group g the features come from the map of level s: the finest one for the
    groups in ``finest_groups``, else the level one finer than l. With r = stride_l / stride_s,
    the cell (i, j) and its locator's vector b, they are sampled at row ``r (i + b_y) + r // 2``
    and column ``r (j + b_x) + r // 2``; the predictor makes offsets o of them, and the keypoints
    are at ``b + o / r``, in strides of level l from the location of the cell. Gradients reach b
    through the sampling position too.

    Sampling and the predictor's 1x1 convolution are both linear, so the convolution goes first:
    two channels a keypoint are sampled instead of all those of its group. Its bias is added
    after the sampling, which outside of the map gives 0.

    Args:
        channels (int): Channels of each group in the input, a multiple of 4.
        groups (Sequence[Sequence[int]]): The keypoint indices in each group; a partition of
            0 .. K - 1.
        strides (Sequence[int]): Strides of the levels in input pixels, finest first; each one a
            multiple of the one before.
        finest_groups (Sequence[int]): Indices of the groups whose features always come from the
            finest level. Defaults to (0, ), the head in the COCO groups.

    Raises:
        ValueError: If ``finest_groups`` has an index that is no group.
    """

    def __init__(
        self,
        channels: int,
        groups: Sequence[Sequence[int]],
        strides: Sequence[int],
        finest_groups: Sequence[int] = (0,),
    ) -> None:
        super().__init__()
        num_groups = len(groups)
        if not set(finest_groups) <= set(range(num_groups)):
            raise ValueError(
                f'finest_groups {tuple(finest_groups)} of KPAlign must be indices '
                f'of its {num_groups} groups'
            )
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
        self.group_sizes = [len(group) for group in groups]
        others = [g for g in range(num_groups) if g not in finest_groups]
        # (the groups, the level that each level samples): handled together, a map at a time
        kinds = [
            (sorted(finest_groups), [0] * len(strides)),
            (others, [max(level - 1, 0) for level in range(len(strides))]),
        ]
        self.kinds = [(members, sources) for members, sources in kinds if members]

        # Groups of a kind are padded to the size of its largest: where keypoint k then stands.
        order, start = [0] * sum(self.group_sizes), 0
        for members, _ in self.kinds:
            for g in members:
                for i, k in enumerate(groups[g]):
                    order[k] = start + i
                start += self._padded_size(members)
        self.register_buffer('order', torch.tensor(order), persistent=False)

    def _padded_size(self, members: Sequence[int]) -> int:
        """Keypoints in the largest of these groups."""
        return max(self.group_sizes[g] for g in members)

    def forward(self, feats: Sequence[Tensor]) -> list[Tensor]:
        """Keypoints at every cell of every level.

        Args:
            feats (Sequence[Tensor]): The keypoint tower's maps, (N, G * channels, H, W), a level
                each, finest first.

        Returns:
            List[Tensor]: (N, 2K, H, W) a level: x1, y1, x2, y2, ... in units of the level's
            stride, relative to the location of the cell.
        """
        num_sampled = 1 + max(source for _, sources in self.kinds for source in sources)
        return self.sample_and_predict(
            [self.locate(feat) for feat in feats],
            [self.feature_conv(feat) for feat in feats[:num_sampled]],
        )

    def sample_and_predict(
        self, bases: Sequence[Tensor], sampled: Sequence[Tensor]
    ) -> list[Tensor]:
        """All after the 3x3 convolutions.

        Args:
            bases (Sequence[Tensor]): The locator's vectors (N, G, 2, H, W) of every level.
            sampled (Sequence[Tensor]): Features (N, G * channels, H, W) of the levels that are
                sampled.

        Returns:
            List[Tensor]: See :meth:`forward`.
        """
        maps = [self.project(feat) for feat in sampled]
        kinds = [self.align(bases, maps, members, sources) for members, sources in self.kinds]
        preds = []
        for level, base in enumerate(bases):
            pred = torch.cat([kind[level] for kind in kinds], dim=1)[:, self.order]
            preds.append(pred.reshape(base.shape[0], -1, *base.shape[-2:]))  # (N, 2K, H, W)
        return preds

    def locate(self, feat: Tensor) -> Tensor:
        """The locator: (N, G * channels, H, W) to vectors (N, G, 2, H, W) in strides, x first."""
        base = self.locator(feat).view(feat.shape[0], -1, 2, *feat.shape[-2:])  # (N, G, 2, H, W)
        # sampling positions need full precision, whatever the convolutions run in
        return base.to(torch.promote_types(base.dtype, torch.float32))

    def project(self, feat: Tensor) -> Tensor:
        """The predictors without their bias: (N, G * channels, H, W) to (N, G, 2n, H, W).

        n is the size of the largest group; what the others lack is 0.
        """
        size = 2 * max(self.group_sizes)
        weights = [predictor.weight for predictor in self.predictors]
        # not F.pad: ONNX's exporter must see a constant shape
        weight = torch.cat(
            [torch.cat([w, w.new_zeros(size - w.shape[0], *w.shape[1:])]) for w in weights]
        )  # (G * 2n, C, 1, 1)
        return F.conv2d(feat, weight, groups=len(self.predictors)).view(
            feat.shape[0], -1, size, *feat.shape[-2:]
        )  # (N, G, 2n, H, W)

    def align(
        self,
        bases: Sequence[Tensor],
        maps: Sequence[Tensor],
        members: Sequence[int],
        sources: Sequence[int],
    ) -> list[Tensor]:
        """The sampler and the predictors' bias, for groups that sample the same maps.

        Args:
            bases (Sequence[Tensor]): The locator's vectors (N, G, 2, H, W) of every level.
            maps (Sequence[Tensor]): Projected maps (N, G, 2n, H, W) of the levels sampled.
            members (Sequence[int]): The groups, m of them, the largest with n keypoints.
            sources (Sequence[int]): The level that each level samples, ascending.

        Returns:
            List[Tensor]: Keypoints (N, m * n, 2, H * W) of every level, in its strides.
        """
        n = self._padded_size(members)
        bias = torch.stack(
            [F.pad(self.predictors[g].bias, (0, 2 * (n - self.group_sizes[g]))) for g in members]
        ).view(len(members), n, 2, 1)
        bases = [base[:, members] for base in bases]  # (N, m, 2, H, W)
        ratios = [stride // self.strides[source] for stride, source in zip(self.strides, sources)]
        preds = []
        for source in sorted(set(sources)):
            levels = [level for level, s in enumerate(sources) if s == source]
            points = [sampling_points(bases[level], ratios[level]) for level in levels]
            offsets = sample_bilinear(
                maps[source][:, members, : 2 * n].flatten(0, 1),  # (N * m, 2n, H, W)
                torch.cat(points, dim=2).flatten(0, 1),
            )  # (N * m, 2n, P)
            offsets = offsets.view(-1, len(members), n, 2, offsets.shape[-1]) + bias
            for level, part in zip(levels, offsets.split([p.shape[2] for p in points], dim=-1)):
                base = bases[level].flatten(3).unsqueeze(2)  # (N, m, 1, 2, H * W)
                preds.append((base + part / ratios[level]).flatten(1, 2))
        return preds
