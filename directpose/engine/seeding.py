"""Random states that depend on the current sample or step, not on what was computed before.

A run that is interrupted and resumed draws the same random numbers as one that was not, because
each sample draws from (seed, position of the sample in training) and each step from
(seed, iteration, process). Nothing has to be saved, and it does not matter which worker loads a
sample, or how many there are.
"""

import random
from contextlib import contextmanager

import numpy as np
import torch
from mmpose.registry import DATASETS


def _seeds(*key: int) -> tuple[int, np.ndarray]:
    """Turn a key into the seeds of a 64-bit and of a 32-bit generator."""
    words = np.random.SeedSequence(key).generate_state(6, np.uint32)  # (6,)
    return int(words[0]) << 32 | int(words[1]), words[2:]


def seed_step(*key: int) -> None:
    """Seed ``random``, ``numpy`` and ``torch`` on all devices by a key of non-negative numbers."""
    seed, words = _seeds(*key)
    random.seed(seed)
    np.random.seed(words)
    torch.manual_seed(seed)


@contextmanager
def sample_seeded(*key: int):
    """Seed ``random``, ``numpy`` and ``torch`` on the CPU for the time of a block.

    Afterwards their states are what they were, so that loading in the main process and in
    workers leaves the same ones.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed, words = _seeds(*key)
    random.seed(seed)
    np.random.seed(words)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


@DATASETS.register_module()
class SeededDataset:
    """Seed the random state of each sample by its position in training.

    Args:
        dataset (dict): The dataset to draw from.
        seed (int): The seed of the run. Defaults to 0.
    """

    def __init__(self, dataset: dict, seed: int = 0) -> None:
        self.dataset = DATASETS.build(dataset)
        self.seed = seed

    @property
    def metainfo(self) -> dict:
        """dict: The metainfo of the dataset."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Load the annotations."""
        self.dataset.full_init()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index) -> dict:
        """Load a sample.

        Args:
            index (:obj:`PositionedIndex`): From a :class:`ResumableInfiniteSampler`.
        """
        with sample_seeded(self.seed, index.position):
            return self.dataset[int(index)]
