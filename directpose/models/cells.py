"""The cells of the feature maps of all levels, as one list."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Cells(NamedTuple):
    """The P cells of all levels, level by level and row by row."""

    positions: Tensor
    """Shape (2, P). The column and the row of the cell."""
    levels: Tensor
    """Shape (P, ). The index of the cell's level."""
    counts: list[int]
    """The number of cells of each level."""

    @classmethod
    def of(cls, maps: Sequence[Tensor]) -> 'Cells':
        """List the cells of maps of shape (..., H, W), one map for each level."""
        widths = [m.shape[-1] for m in maps]
        indices = [torch.arange(m.shape[-2] * m.shape[-1], device=m.device) for m in maps]
        columns = torch.cat([index % width for index, width in zip(indices, widths)])
        rows = torch.cat([index // width for index, width in zip(indices, widths)])
        levels = torch.cat([torch.full_like(index, level) for level, index in enumerate(indices)])
        # not len(index), which an exporter takes for a constant
        return cls(torch.stack([columns, rows]), levels, [index.shape[0] for index in indices])


def flatten_levels(maps: Sequence[Tensor]) -> Tensor:
    """Join maps of shape (..., H, W), one for each level, to values of shape (..., P)."""
    return torch.cat([m.flatten(-2) for m in maps], dim=-1)
