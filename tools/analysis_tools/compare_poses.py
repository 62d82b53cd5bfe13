"""How far the poses of two tests lie apart, such as of one model in two precisions.

::

    python tools/test.py CONFIG CHECKPOINT --dump plain.pkl
    python tools/test.py CONFIG CHECKPOINT --optimize bf16 --dump bf16.pkl
    python tools/analysis_tools/compare_poses.py plain.pkl bf16.pkl

People are paired image by image so that their keypoints lie as near as possible. Those further
apart than half of the first one's longer side count as different people. The files are pickles,
which can run code when they are read: compare your own.
"""

import argparse
import sys

import mmengine
import numpy as np
from scipy.optimize import linear_sum_assignment


def read_poses(path: str, score_thr: float) -> dict[int, np.ndarray]:
    """Keypoints (n, K, 2) in original pixels of every image, by its id."""
    poses = {}
    for sample in mmengine.load(path):
        found = sample['pred_instances']
        sure = np.asarray(found['bbox_scores']) >= score_thr
        poses[sample['img_id']] = np.asarray(found['keypoints'])[sure]
    return poses


def pair(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances of the people in one image.

    Args:
        first (np.ndarray): (n, K, 2).
        second (np.ndarray): (m, K, 2).

    Returns:
        tuple: Mean distances over the keypoints, in pixels, and these over the longer side of
        the first pose; of shape (pairs, ).
    """
    distances = np.linalg.norm(first[:, None] - second[None], axis=-1).mean(-1)  # (n, m)
    rows, columns = linear_sum_assignment(distances)
    sides = np.ptp(first[rows], axis=1).max(-1)  # (pairs, )
    distances = distances[rows, columns]
    same = (distances <= sides / 2) & (sides > 0)
    return distances[same], distances[same] / sides[same]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('first', help='poses that tools/test.py --dump wrote, .pkl')
    parser.add_argument('second', help='others of the same images')
    parser.add_argument(
        '--score-thr',
        type=float,
        default=0.3,
        help='compare people with at least this score; default: %(default)s',
    )
    args = parser.parse_args(argv)
    first, second = (read_poses(path, args.score_thr) for path in (args.first, args.second))
    if first.keys() != second.keys():
        sys.exit(
            f'error: {args.first} and {args.second} are not of the same images; test both '
            'with the same data'
        )
    pairs = [pair(first[image], second[image]) for image in first]
    pixels, relative = (np.concatenate(values) for values in zip(*pairs))
    people = [sum(map(len, poses.values())) for poses in (first, second)]
    print(f'people: {people[0]} and {people[1]}, {len(pixels)} of them in both')
    if len(pixels):
        print(
            f'mean distance: {pixels.mean():.3f} px, '
            f"{100 * relative.mean():.2f} % of the person's longer side"
        )
        for name, quantile in (('median', 0.5), ('95 %', 0.95)):
            print(
                f'{name} distance: {np.quantile(pixels, quantile):.3f} px, '
                f"{100 * np.quantile(relative, quantile):.2f} % of the person's longer side"
            )


if __name__ == '__main__':
    main()
