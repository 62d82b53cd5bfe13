"""The assignment problem, for runtimes without SciPy."""

import numpy as np


def best_assignment(gain: np.ndarray) -> np.ndarray:
    """Match rows with columns, each once at most, so that the sum of the gains is largest.

    This is the Hungarian method with shortest augmenting paths: O(n^2 m). It gives the sum that
    SciPy's ``linear_sum_assignment(gain, maximize=True)`` gives.

    Args:
        gain (np.ndarray): (n, m), finite.

    Returns:
        np.ndarray: (p, 2) int64: pairs of a row and a column, by row; p is the lesser of n and m.
    """
    if gain.shape[0] > gain.shape[1]:
        pairs = best_assignment(gain.T)[:, ::-1]
        return pairs[pairs[:, 0].argsort()]
    num_rows, num_columns = gain.shape
    cost = -gain.astype(np.float64)
    row_price, column_price = np.zeros(num_rows), np.zeros(num_columns)
    row_of = np.full(num_columns, -1)  # the row that a column is matched with
    for start in range(num_rows):
        # Dijkstra's shortest path from the row to a free column.
        distance = np.full(num_columns, np.inf)
        before = np.full(num_columns, -1)  # the column before it on the path
        done = np.zeros(num_columns, dtype=bool)
        row, column, reached = start, -1, 0.0
        while True:
            step = reached + cost[row] - row_price[row] - column_price
            nearer = ~done & (step < distance)
            distance[nearer], before[nearer] = step[nearer], column
            column = int(np.where(done, np.inf, distance).argmin())
            reached = distance[column]
            if row_of[column] < 0:
                break
            done[column] = True
            row = row_of[column]
        row_price[start] += reached
        row_price[row_of[done]] += reached - distance[done]
        column_price[done] -= reached - distance[done]
        while column >= 0:  # turn the path round
            previous = before[column]
            row_of[column] = start if previous < 0 else row_of[previous]
            column = previous
    columns = np.flatnonzero(row_of >= 0)
    pairs = np.stack([row_of[columns], columns], axis=1)
    return pairs[pairs[:, 0].argsort()]
