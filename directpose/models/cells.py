"""The cells of the feature maps of all levels, as one list."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .nms import take


class Cells(NamedTuple):
    """P cells, level by level: all cells of all levels, or those that were chosen.

    All cells of a level stand row by row, and chosen ones in the order of the choice.
    """

    positions: Tensor
    """Shape (2, P), or (N, 2, P) if each image has its own cells. The column and the row of the
    cell."""
    levels: Tensor
    """Shape (P, ). The index of the cell's level."""
    counts: list[int]
    """The number of cells of each level."""
    index: Tensor | None = None
    """Shape (N, P). The places of the chosen cells among all cells. None for all cells."""

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

    def choose(self, chosen: Sequence[Tensor]) -> 'Cells':
        """Choose some of all cells, for each image its own.

        Args:
            chosen (Sequence[Tensor]): For each level, the places of the chosen cells among the
                cells of the level, of shape (N, n).

        Returns:
            Cells: The chosen cells.
        """
        places, start = [], 0
        for index, count in zip(chosen, self.counts):
            places.append(index + start)
            start = start + count
        index = torch.cat(places, dim=1)
        return Cells(
            self.positions[:, index].transpose(0, 1),
            self.levels[index[0]],  # the same for all images
            [one.shape[1] for one in chosen],
            index,
        )

    def read(self, maps: Sequence[Tensor]) -> Tensor:
        """Read maps of shape (N, C, H, W), one for each level, at these cells.

        Returns:
            Tensor: The values, of shape (N, C, P).
        """
        values = torch.cat([m.flatten(2) for m in maps], dim=2)
        if self.index is None:
            return values
        return take(values.transpose(1, 2), self.index).transpose(1, 2)

    def to_maps(self, values: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
        """Write values of all cells into maps, the inverse of :meth:`read`.

        Args:
            values (Tensor): Values of shape (N, C, P).
            like (Sequence[Tensor]): For each level, a map of its size, of shape (..., H, W).

        Returns:
            list[Tensor]: For each level, a map of shape (N, C, H, W).
        """
        levels = values.split(self.counts, dim=2)
        return [level.unflatten(2, m.shape[-2:]) for level, m in zip(levels, like)]
