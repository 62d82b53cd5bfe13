"""Compare scores with what they promise."""

from typing import NamedTuple

import numpy as np


class Bin(NamedTuple):
    """Predictions whose scores lie between two values."""

    low: float
    high: float
    number: int
    score: float
    """The mean score."""
    right: float
    """The mean of what the scores promise, such as the share of right predictions."""


def calibrate(scores: np.ndarray, right: np.ndarray, num_bins: int = 10) -> tuple[list[Bin], float]:
    """Compare scores with what they promise, in bins of the score.

    Args:
        scores (np.ndarray): (n, ), from 0 to 1.
        right (np.ndarray): (n, ), from 0 to 1: what each score should have been.
        num_bins (int): The number of bins of equal width from 0 to 1. Defaults to 10.

    Returns:
        tuple:
        - bins (list[Bin]): The bins that have predictions.
        - error (float): The expected calibration error: the mean distance between score and
          what it promises, weighted by the number of predictions.
    """
    index = np.clip((scores * num_bins).astype(int), 0, num_bins - 1)
    bins = [
        Bin(
            b / num_bins,
            (b + 1) / num_bins,
            int((index == b).sum()),
            float(scores[index == b].mean()),
            float(right[index == b].mean()),
        )
        for b in range(num_bins)
        if (index == b).any()
    ]
    error = sum(b.number * abs(b.score - b.right) for b in bins) / max(len(scores), 1)
    return bins, float(error)


def area_under_roc(scores: np.ndarray, positive: np.ndarray) -> float:
    """How well scores part two classes.

    Args:
        scores (np.ndarray): (n, ).
        positive (np.ndarray): (n, ) bool.

    Returns:
        float: The probability that a positive one has a higher score than a negative one; equal
        scores count half. 0.5 is chance. NaN if a class is empty.
    """
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2  # mean rank of equal scores, from 1
    num_positive = int(positive.sum())
    pairs = num_positive * (len(scores) - num_positive)
    wins = middle[inverse][positive].sum() - num_positive * (num_positive + 1) / 2
    return float(wins / pairs) if pairs else float('nan')


def plot_calibration(bins: list[Bin], error: float, path: str, score: str, right: str) -> None:
    """Draw what scores promise against the scores.

    Args:
        bins (list[Bin]): See :func:`calibrate`.
        error (float): See :func:`calibrate`.
        path (str): The picture to write.
        score (str): What the scores are, for the axis.
        right (str): What they promise, for the axis.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.5, 4.5), layout='constrained')
    axes.plot([0, 1], [0, 1], '--', color='grey', label='as it should be')
    axes.plot([b.score for b in bins], [b.right for b in bins], 'o-', label='as it is')
    axes.set(xlabel=score, ylabel=right, xlim=(0, 1), ylim=(0, 1))
    axes.set(title=f'expected calibration error {error:.3f}')
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
