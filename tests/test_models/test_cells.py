"""The list of all cells, and the choice of some."""

import torch

from directpose.models.cells import Cells


def test_cells_are_listed_level_by_level_and_row_by_row():
    maps = [torch.randn(2, 3, 2, 3), torch.randn(2, 3, 1, 2)]
    cells = Cells.of(maps)
    assert cells.counts == [6, 2]
    assert cells.levels.tolist() == [0] * 6 + [1] * 2
    assert cells.positions.T.tolist() == [
        *([0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]),
        *([0, 0], [1, 0]),
    ]
    values = cells.read(maps)
    for i in range(8):
        column, row = cells.positions[:, i]
        torch.testing.assert_close(values[..., i], maps[cells.levels[i]][..., row, column])
    for one, other in zip(cells.to_maps(values, maps), maps, strict=True):
        torch.testing.assert_close(one, other)


def test_each_image_has_its_own_chosen_cells():
    maps = [torch.randn(2, 3, 2, 3), torch.randn(2, 3, 1, 2), torch.randn(2, 3, 1, 1)]
    everywhere = Cells.of(maps)
    cells = everywhere.choose(
        [torch.tensor([[5, 0], [2, 3]]), torch.tensor([[1], [0]]), torch.tensor([[0], [0]])]
    )
    assert cells.counts == [2, 1, 1]
    assert cells.levels.tolist() == [0, 0, 1, 2]
    assert cells.index.tolist() == [[5, 0, 7, 8], [2, 3, 6, 8]]
    assert cells.positions.transpose(1, 2).tolist() == [
        [[2, 1], [0, 0], [1, 0], [0, 0]],
        [[2, 0], [0, 1], [0, 0], [0, 0]],
    ]
    values = cells.read(maps)
    for n in range(2):
        for i, place in enumerate(cells.index[n]):
            torch.testing.assert_close(values[n, :, i], everywhere.read(maps)[n, :, place])
