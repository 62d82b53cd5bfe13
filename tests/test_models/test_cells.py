"""The list of cells against a loop."""

import torch

from directpose.models.cells import Cells, flatten_levels


def test_cells_stand_as_flattened_maps_do():
    """Each map holds its own cells: column, row and level."""
    sizes = [(3, 5), (2, 3), (1, 1)]
    maps = []
    for level, (height, width) in enumerate(sizes):
        cells = [[[j, i, level] for j in range(width)] for i in range(height)]
        maps.append(torch.tensor(cells).permute(2, 0, 1))  # (3, H, W)
    cells = Cells.of(maps)
    columns, rows, levels = flatten_levels(maps)
    assert cells.positions.tolist() == [columns.tolist(), rows.tolist()]
    assert cells.levels.tolist() == levels.tolist()
    assert cells.counts == [15, 6, 1]
