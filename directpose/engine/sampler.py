"""An endless order of training samples that can be entered at any place."""

from collections.abc import Iterator
from itertools import islice

from mmengine.dataset import InfiniteSampler
from mmpose.registry import DATA_SAMPLERS


class PositionedIndex(int):
    """The index of a sample in its dataset, with its place in the order of training.

    Attributes:
        position (int): How many samples all processes together draw before this one.
    """

    def __new__(cls, index: int, position: int):
        self = super().__new__(cls, index)
        self.position = position
        return self

    def __getnewargs__(self) -> tuple[int, int]:
        return int(self), self.position


@DATA_SAMPLERS.register_module()
class ResumableInfiniteSampler(InfiniteSampler):
    """Draw without end from one order that is shared by all processes.

    The order depends on the seed alone: of P processes, number r draws the positions
    start + r, start + r + P, ... With the same batch over all processes, each step therefore
    sees the same samples whatever P is.

    Args:
        dataset (Sized): The dataset.
        shuffle (bool): Whether to shuffle each pass over the dataset. Defaults to True.
        seed (int, optional): The seed of the shuffle. Defaults to None, one drawn at random
            and shared by all processes.

    Attributes:
        start (int): How many samples all processes together have drawn before.
    """

    start = 0

    def __iter__(self) -> Iterator[PositionedIndex]:
        indices = enumerate(self._infinite_indices())
        for position, index in islice(indices, self.start + self.rank, None, self.world_size):
            yield PositionedIndex(index, position)
