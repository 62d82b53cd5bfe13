"""Show what went wrong in a test: with keypoints, people, scores and pictures.

::

    python tools/test.py CONFIG CHECKPOINT \\
        --cfg-options test_evaluator.outfile_prefix=work_dirs/results
    python tools/analysis_tools/analyze_results.py work_dirs/results.keypoints.json \\
        data/coco/annotations/person_keypoints_val2017.json \\
        --images data/coco/val2017 --out-dir work_dirs/analysis

The kinds of keypoint errors are those of Ronchi and Perona (ICCV 2017). A keypoint has jitter if it
is near its place, inversion if it is on the mirrored keypoint of the same person, swap if it is on
another person, and miss if it is near none of these. For each kind the tool prints the AP that the
model would have if all errors of this kind were corrected.
"""

import argparse
import json
import os

import cv2
import matplotlib.pyplot as plt
import numpy as np

from directpose.analysis.calibration import Bin, plot_calibration
from directpose.analysis.keypoint_errors import KINDS, KeypointErrors
from directpose.analysis.people_errors import OKS, Group, PeopleErrors
from directpose.analysis.results import Results
from directpose.cli.arguments import Parser, score, whole_number
from directpose.cli.errors import errors_as_messages
from directpose.cli.images import write_image
from directpose.cli.options import add_metainfo, make_folder
from directpose.drawing import draw_poses
from directpose.errors import UserError
from directpose.pictures import PictureError, read_picture

TILE = 480
"""Width in pixels of each of the two pictures in a row of the contact sheet."""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('results', help='file of results in COCO format, *.keypoints.json')
    parser.add_argument('annotations', help='COCO annotation file of the same pictures')
    add_metainfo(parser)
    parser.add_argument(
        '--score-thr',
        type=score,
        help='count people with at least this score as predicted; default: the score with the '
        'best F1',
    )
    parser.add_argument('--out-dir', help='folder to write analysis.json and the pictures to')
    parser.add_argument(
        '--images', help='folder with the pictures, from which a sheet of the worst ones is made'
    )
    parser.add_argument(
        '--worst',
        type=whole_number(),
        default=12,
        help='number of pictures on this sheet; default: %(default)s',
    )
    args = parser.parse_args(argv)
    if args.images and not args.out_dir:
        parser.error('--images needs --out-dir, to which the sheet is written')
    return args


def percent(part: float, whole: float) -> str:
    """Write a share in percent, or '-' if there is nothing to share."""
    return f'{100 * part / whole:.1f} %' if whole else '-'


def print_keypoints(errors: KeypointErrors, precision: dict[str, float]) -> None:
    """Print a table of the AP with each kind of error corrected, and one of errors by keypoint."""
    counts, names = errors.counts(), errors.results.names
    total = counts.sum()
    print(f'\nAP {100 * precision["as it is"]:.1f}; with these errors corrected:')
    for kind in KINDS[1:]:
        share = percent(counts[:, KINDS.index(kind)].sum(), total)
        gain = 100 * (precision[kind] - precision['as it is'])
        print(f'  {kind:<10} {100 * precision[kind]:5.1f}  ({gain:+.1f}; {share} of keypoints)')
    print(f'  {"all four":<10} {100 * precision["all"]:5.1f}')
    width = max(map(len, names))
    print(f'\n{"keypoint":<{width}}  compared   OKS ' + ''.join(f'{kind:>11}' for kind in KINDS))
    for name, row, mean in zip(names, counts, errors.mean_similarities()):
        shares = ''.join(f'{percent(count, row.sum()):>11}' for count in row)
        print(f'{name:<{width}}  {row.sum():8d}  {mean:4.2f} {shares}')


def print_people(
    errors: PeopleErrors, groups: dict[str, list[Group]], bins: list[Bin], calibration: float
) -> None:
    """Print the tables of missed and invented people, and the table of the scores."""
    print(
        f'\n{len(errors.annotated)} people annotated, {len(errors.found)} found, '
        f'{int((errors.chosen & ~errors.right).sum())} invented, '
        f'with score >= {errors.score_thr:.3f} at OKS {OKS}'
    )
    for name, rows in groups.items():
        print(f'\n{"by " + name:<14}  annotated  missed           predicted  invented')
        for row in rows:
            print(
                f'{row.name:<14}  {row.annotated:9d}  {row.missed:6d} '
                f'{percent(row.missed, row.annotated):>8}  {row.predicted:9d}  '
                f'{row.invented:8d} {percent(row.invented, row.predicted):>8}'
            )
    print('\nscore          people  mean score  right')
    for b in bins:
        print(f'{b.low:.1f} to {b.high:.1f}  {b.number:9d}  {b.score:10.2f}  {b.right:5.2f}')
    print(f'expected calibration error: {calibration:.3f}')


def plot_keypoints(errors: KeypointErrors, path: str) -> None:
    """Draw a bar for each keypoint with the share of each kind of error."""
    counts, names = errors.counts(), errors.results.names
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = plt.subplots(figsize=(8, 1.5 + 0.25 * len(names)), layout='constrained')
    left = np.zeros(len(names))
    # Grey is for what is right. The other colours differ in brightness too.
    for kind, share, colour in zip(
        KINDS, shares.T, ('#d9d9d9', '#fde725', '#35b779', '#31688e', '#440154')
    ):
        axes.barh(names, share, left=left, label=kind, color=colour)
        left += share
    axes.invert_yaxis()
    axes.set(xlabel='% of the compared keypoints', xlim=(0, 100))
    axes.legend(ncols=len(KINDS), loc='lower center', bbox_to_anchor=(0.5, 1), frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_worst(errors: PeopleErrors, folder: str, number: int) -> np.ndarray | None:
    """Draw a sheet of the worst pictures: annotated people at the left, predicted at the right.

    Args:
        errors (PeopleErrors): The errors in all pictures.
        folder (str): The folder of the pictures.
        number (int): The largest number of pictures on the sheet.

    Returns:
        np.ndarray: (H, W, 3) in BGR, or None if nobody was missed or invented.

    Raises:
        UserError: If a picture has no name in the annotations, or cannot be read.
    """
    results = errors.results
    meta = dict(skeleton_links=results.metainfo['skeleton_links'], keypoint_names=results.names)
    rows = []
    for image_id, missed, invented in errors.worst_pictures()[:number]:
        name = results.coco.imgs[image_id].get('file_name')
        if not isinstance(name, str):
            raise UserError(
                f'picture {image_id} of the annotations has no `file_name`, so it cannot be drawn; '
                'add it, or leave --images out'
            )
        try:
            image = read_picture(os.path.join(folder, name))
        except PictureError as error:
            raise UserError(f'{error}; --images names the folder of the pictures') from error
        scale = TILE / image.shape[1]
        size = TILE, max(1, round(image.shape[0] * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        people = results.people(image_id)
        poses = np.array([p['keypoints'] for p in people], dtype=float)
        poses = poses.reshape(len(people), len(meta['keypoint_names']), 3)
        found = sorted(
            (
                results.predictions[i]
                for i in np.flatnonzero(errors.chosen)
                if results.predictions[i]['image_id'] == image_id
            ),
            key=lambda entry: -entry['score'],
        )
        guesses = np.array([p['keypoints'] for p in found], dtype=float)
        guesses = guesses.reshape(len(found), len(meta['keypoint_names']), 3)
        halves = [
            draw_poses(image, scale * poses[..., :2], visibility=poses[..., 2], **meta),
            draw_poses(
                image,
                scale * guesses[..., :2],
                labels=[f'{p["score"]:.2f}' for p in found],
                **meta,
            ),
        ]
        title = np.full((24, 2 * TILE, 3), 255, np.uint8)
        text = f'{name}: {missed} missed, {invented} invented'
        cv2.putText(title, text, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        rows += [title, np.concatenate(halves, axis=1)]
    return np.concatenate(rows) if rows else None


def write(args: argparse.Namespace, keypoints: KeypointErrors, people: PeopleErrors, summary: dict):
    """Write the figures and the pictures to ``--out-dir``."""

    def path(name: str) -> str:
        return os.path.join(args.out_dir, name)

    with open(path('analysis.json'), 'w', encoding='utf-8') as file:
        json.dump(summary, file, indent=1)
    written = ['analysis.json', 'keypoints.png', 'calibration.png']
    plot_keypoints(keypoints, path('keypoints.png'))
    plot_calibration(
        *people.calibration(),
        path('calibration.png'),
        'score',
        f'share that found a person, OKS {OKS}',
    )
    if args.images:
        sheet = draw_worst(people, args.images, args.worst)
        if sheet is None:
            print('\nNobody was missed or invented, so there is no sheet of pictures.')
        else:
            write_image(path('worst.jpg'), sheet)
            written.append('worst.jpg')
    print(f'\nwritten to {args.out_dir}: {", ".join(written)}')


def analyze(args: argparse.Namespace) -> None:
    if args.out_dir and os.path.isfile(args.out_dir):
        raise UserError(f'--out-dir {args.out_dir}: this is a file; give a folder')
    if args.out_dir:
        make_folder(args.out_dir, f'--out-dir {args.out_dir}')
    results = Results(args.results, args.annotations, dict(from_file=args.metainfo))
    keypoints, people = KeypointErrors(results), PeopleErrors(results, args.score_thr)
    if not people.annotated:
        raise UserError(f'{args.annotations}: nobody has labelled keypoints, so no error is known')
    if results.areas_of_boxes:
        print('nobody has an area: 0.53 times that of the box is taken, as by use_area=False')
    precision = {'as it is': keypoints.average_precision()}
    precision |= {kind: keypoints.average_precision(kind) for kind in KINDS[1:]}
    precision['all'] = keypoints.average_precision(*KINDS[1:])
    groups = people.groups()
    bins, error = people.calibration()
    print_keypoints(keypoints, precision)
    print_people(people, groups, bins, error)
    if args.out_dir:
        counts = zip(results.names, keypoints.counts().tolist(), keypoints.mean_similarities())
        summary = dict(
            average_precision=precision,
            keypoints={
                # JSON has no NaN.
                name: dict(zip(KINDS, row), oks=None if np.isnan(mean) else float(mean))
                for name, row, mean in counts
            },
            score_thr=people.score_thr,
            people={name: [g._asdict() for g in rows] for name, rows in groups.items()},
            calibration=dict(error=error, bins=[b._asdict() for b in bins]),
        )
        write(args, keypoints, people, summary)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_as_messages():
        analyze(args)


if __name__ == '__main__':
    main()
