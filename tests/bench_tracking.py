"""IDF1 of the tracker on walking people, by OKS and by boxes.

    python -m tests.bench_tracking

prints the two tables of docs/en/predict.md. The first has means over four sequences of 200 frames
of made-up poses. The second has means over 60 drawn clips of 60 frames, in which the model that
comes with the package finds 2 to 4 people. It takes 5 to 7 minutes on one core.
"""

import sys

import numpy as np

from directpose.runtime import DirectPose
from directpose.runtime.tracking import PoseTracker
from tests.conftest import ROOT
from tests.drawn_people import FPS, find_people, measure_clip
from tests.test_runtime.test_tracking import BoxTracker, measure


def print_made_up_poses() -> None:
    print('| frames a second | people | OKS | boxes |')
    print('|---|---|---|---|')
    for fps in (30, 15, 8):
        for num_people in (2, 4, 8, 12):
            figures = [
                np.mean([measure(kind(fps=fps), num_people, seed=seed) for seed in range(4)])
                for kind in (PoseTracker, BoxTracker)
            ]
            print(f'| {fps} | {num_people} | ' + ' | '.join(f'{x:.2f}' for x in figures) + ' |')


def print_drawn_people() -> None:
    model = DirectPose('directpose-tiny', score_thr=0)
    rows = {0.2: [], 0.05: [], 0: []}  # by the least score
    for num_people in (2, 3, 4):
        for seed in range(20):
            clip = find_people(model, num_people, seed=seed)
            for score_thr, figures in rows.items():
                by_boxes, _ = measure_clip(BoxTracker(fps=FPS), clip, score_thr)
                tracker = PoseTracker(model.keypoint_sigmas, fps=FPS)
                by_oks, best = measure_clip(tracker, clip, score_thr)
                figures.append((by_oks, by_boxes, best))
    print('| least score | OKS | boxes | at most |')
    print('|---|---|---|---|')
    for score_thr, figures in rows.items():
        means = np.mean(figures, axis=0)
        print(f'| {score_thr} | ' + ' | '.join(f'{x:.2f}' for x in means) + ' |')


def main() -> None:
    print_made_up_poses()
    print()
    sys.path.insert(0, str(ROOT / 'tools/dataset_converters'))
    print_drawn_people()


if __name__ == '__main__':
    main()
