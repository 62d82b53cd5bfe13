"""Print how far apart the poses of two tests are, such as those of a model in two precisions.

::

    python tools/test.py CONFIG CHECKPOINT --dump plain.json
    python tools/test.py CONFIG CHECKPOINT --optimize bf16 --dump bf16.json
    python tools/analysis_tools/compare_poses.py plain.json bf16.json

The people of each image are paired so that the mean distances of their keypoints are as small as
possible in all. A pair whose distance is more than half of the first person's longer side counts
as two different people.
"""

import argparse
import json

import numpy as np
from scipy.optimize import linear_sum_assignment

from directpose.cli.arguments import Parser, score
from directpose.cli.errors import errors_as_messages
from directpose.errors import UserError


def read_poses(path: str, score_thr: float) -> dict[int, np.ndarray]:
    """Read the keypoints (n, K, 2) of every image, in original pixels, by its id.

    Raises:
        UserError: If the file is not what tools/test.py --dump writes.
    """
    try:
        with open(path, encoding='utf-8') as file:
            images = json.load(file)
        if not images:
            raise ValueError('no image')
        return {
            image['img_id']: np.array(
                [p['keypoints'] for p in image['people'] if p['score'] >= score_thr], dtype=float
            )
            for image in images
        }
    except OSError as error:
        raise UserError(f'{path}: cannot be read ({error.strerror})') from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f'{path}: not a file of poses; write one with tools/test.py --dump POSES.json'
        ) from error


def pair(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair the people of one image, and measure how far apart the two of each pair are.

    Args:
        first (np.ndarray): (n, K, 2), keypoints in pixels.
        second (np.ndarray): (m, K, 2), keypoints in pixels.

    Returns:
        tuple:
        - distances (np.ndarray): (pairs, ), the mean distance of the keypoints in pixels.
        - relative (np.ndarray): (pairs, ), this distance divided by the longer side of the first
          pose.
    """
    if not len(first) or not len(second):
        return np.zeros(0), np.zeros(0)
    distances = np.linalg.norm(first[:, None] - second[None], axis=-1).mean(-1)  # (n, m)
    rows, columns = linear_sum_assignment(distances)
    sides = np.ptp(first[rows], axis=1).max(-1)  # (pairs, )
    distances = distances[rows, columns]
    same = (distances <= sides / 2) & (sides > 0)
    return distances[same], distances[same] / sides[same]


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('first', help='JSON file of poses that tools/test.py --dump wrote')
    parser.add_argument('second', help='another file of poses, of the same images')
    parser.add_argument(
        '--score-thr',
        type=score,
        default=0.3,
        help='compare people with at least this score; default: %(default)s',
    )
    args = parser.parse_args(argv)
    with errors_as_messages():
        compare(args.first, args.second, args.score_thr)


def compare(first_file: str, second_file: str, score_thr: float) -> None:
    """Print how many people two files have in common, and how far apart their poses are.

    Args:
        first_file (str): A file of poses that tools/test.py --dump wrote.
        second_file (str): Another one, of the same images.
        score_thr (float): Only people with at least this score count.

    Raises:
        UserError: If the files are not of the same images, or not of the same keypoints.
    """
    first, second = (read_poses(path, score_thr) for path in (first_file, second_file))
    if first.keys() != second.keys():
        raise UserError(
            f'{first_file} and {second_file} are not of the same images; test both with the same '
            'data'
        )
    counts = {poses.shape[1] for file in (first, second) for poses in file.values() if len(poses)}
    if len(counts) > 1:
        numbers = ' and '.join(map(str, sorted(counts)))
        raise UserError(
            f'{first_file} and {second_file} have poses of {numbers} keypoints; test models of the '
            'same keypoints'
        )
    if counts == {1}:
        raise UserError(
            f'{first_file}: its poses have one keypoint, and so no size that tells people apart'
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
