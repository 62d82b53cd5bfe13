"""IDF1 of the tracker on walking people, by OKS and by boxes.

    python -m tests.bench_tracking

prints the table of docs/en/predict.md, means over four sequences of 200 frames.
"""

import numpy as np

from directpose.runtime.tracking import PoseTracker
from tests.test_runtime.test_tracking import BoxTracker, measure


def main() -> None:
    print('| frames a second | people | OKS | boxes |')
    print('|---|---|---|---|')
    for fps in (30, 15, 8):
        for num_people in (2, 4, 8, 12):
            figures = [
                np.mean([measure(kind(fps=fps), num_people, seed=seed) for seed in range(4)])
                for kind in (PoseTracker, BoxTracker)
            ]
            print(f'| {fps} | {num_people} | ' + ' | '.join(f'{x:.2f}' for x in figures) + ' |')


if __name__ == '__main__':
    main()
