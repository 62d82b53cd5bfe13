"""Compare the scores of single keypoints with the annotations.

::

    python tools/test.py CONFIG CHECKPOINT --dump work_dirs/poses.json
    python tools/analysis_tools/analyze_keypoint_scores.py work_dirs/poses.json \\
        data/coco/annotations/person_keypoints_val2017.json --plot work_dirs/scores.png

The score of a keypoint predicts its part of COCO's object keypoint similarity (OKS). The tool
prints the mean of this part for keypoints of similar score. It also prints how well the probability
of being hidden tells hidden keypoints (v = 1) from visible ones (v = 2). Only people that match an
annotated person are used.
"""

import argparse

from directpose.analysis.calibration import area_under_roc, calibrate, plot_calibration
from directpose.analysis.keypoint_scores import match_keypoint_scores
from directpose.analysis.results import Results
from directpose.cli.arguments import Parser
from directpose.cli.errors import errors_as_messages, written
from directpose.cli.options import PICTURES, add_metainfo, check_output


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('poses', help='file of poses that tools/test.py --dump wrote')
    parser.add_argument('annotations', help='COCO annotation file of the same pictures')
    add_metainfo(parser)
    parser.add_argument('--plot', help='file for a picture of the calibration, such as scores.png')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with errors_as_messages():
        if args.plot:
            check_output(args.plot, '--plot', PICTURES)
        results = Results(args.poses, args.annotations, dict(from_file=args.metainfo))
        found = match_keypoint_scores(results)
    bins, error = calibrate(found.scores, found.similarities)
    print('score       keypoints  mean score  mean similarity')
    for b in bins:
        print(f'{b.low:.1f} to {b.high:.1f}  {b.number:9d}  {b.score:10.2f}  {b.right:15.2f}')
    print(f'expected calibration error: {error:.3f}')
    labelled = found.visibility > 0
    hidden = found.visibility[labelled] == 1
    area = area_under_roc(found.hidden[labelled], hidden)
    print(f'hidden against visible: area under ROC {area:.3f}, {hidden.sum()} of {len(hidden)}')
    if args.plot:
        with written(args.plot):
            plot_calibration(
                bins, error, args.plot, 'score of a keypoint', "mean of the keypoint's part of OKS"
            )


if __name__ == '__main__':
    main()
