"""ONNX Runtime beside the prepared torch model, and what the runtime adds around its session.

    python -m tests.bench_runtime
    python -m tests.bench_runtime --config configs/directpose/CONFIG.py --checkpoint none
    python -m tests.bench_runtime --picture directpose/examples/people_1.jpg

With a picture, the model of the package is timed as it is: it resizes the picture by its own
settings. A call reads the file, or takes the pixels that were read before.

Everything is timed in turn, in one process, with CPU time, so that other work on the machine
counts for little. A ratio is the median over the rounds of the ratios within a round; the quarter
and three quarters of the rounds are beside it. Pictures a second are those of the fastest round
by the clock. Without a checkpoint the weights are random.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from mmpose.apis import init_model
from mmpose.structures import PoseDataSample

from directpose.analysis import make_picture
from directpose.apis import optimize_for_inference
from directpose.cli.config import load_config
from directpose.datasets.transforms import ShortSideResize
from directpose.deployment import export_onnx
from directpose.pictures import read_picture
from directpose.runtime import DirectPose

CONFIG = 'configs/directpose/directpose_efficientnet-lite0_fpn_scores_1xb16-300_synthetic.py'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--config', default=CONFIG, help='default: that of directpose-tiny')
    parser.add_argument('--checkpoint', default='directpose://directpose-tiny')
    parser.add_argument(
        '--size', nargs=2, type=int, default=[256, 256], metavar=('H', 'W'), help='a picture'
    )
    parser.add_argument('--threads', type=int, default=1, help='default: %(default)s')
    parser.add_argument('--rounds', type=int, default=30, help='default: %(default)s')
    parser.add_argument(
        '--int8', type=Path, metavar='FILE', help='another exported file to time in turn'
    )
    parser.add_argument('--picture', type=Path, help='a picture for the model of the package')
    return parser.parse_args(argv)


def make_packaged_calls(args: argparse.Namespace) -> dict:
    """What is timed of the model in the package, by name."""
    runtime = DirectPose('directpose-tiny', score_thr=0.2, threads=args.threads)
    pixels = read_picture(args.picture)
    inputs = runtime.inputs(pixels)
    sizes = [pixels.shape[:2], *inputs['image_sizes'].tolist()]
    print('{} x {} pixels, {} x {} for the network'.format(*sizes[0], *sizes[1]))
    return {
        'session': lambda: runtime._session.run(runtime._outputs, inputs),
        'call with pixels': lambda: runtime(pixels),
        'call with a file': lambda: runtime(args.picture),
    }


def make_calls(args: argparse.Namespace, folder: str) -> dict:
    """What is timed, by name."""
    height, width = args.size
    picture = make_picture(width, height, seed=0)
    checkpoint = None if args.checkpoint == 'none' else args.checkpoint
    model = init_model(load_config(args.config), checkpoint, device='cpu')
    path = Path(folder, 'model.onnx')
    export_onnx(model, path, ShortSideResize(min(args.size), max(args.size)))
    runtime = DirectPose(path, threads=args.threads)
    inputs = runtime.inputs(picture)
    optimize_for_inference(model, keep_freed_memory=True)
    torch.set_num_threads(args.threads)
    meta = dict(
        img_shape=(height, width),
        ori_shape=(height, width),
        input_size=(width, height),
        input_center=np.array([width / 2, height / 2]),
        input_scale=np.array([width, height], dtype=float),
        scale_factor=(1.0, 1.0),
    )
    image = torch.from_numpy(picture.transpose(2, 0, 1).copy())

    def prepared_torch():
        sample = PoseDataSample(metainfo=dict(meta))
        with torch.no_grad():
            model.test_step(dict(inputs=[image], data_samples=[sample]))

    calls = {
        'prepared torch': prepared_torch,
        'session': lambda: runtime._session.run(runtime._outputs, inputs),
        'whole call': lambda: runtime(picture),
    }
    if args.int8:
        int8 = DirectPose(args.int8, threads=args.threads)
        calls['int8 session'] = lambda: int8._session.run(int8._outputs, inputs)
    return calls


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        calls = make_packaged_calls(args) if args.picture else make_calls(args, folder)
    seconds = np.empty((args.rounds + 3, len(calls), 2))  # CPU, clock
    for times in seconds:
        for place, call in enumerate(calls.values()):
            cpu, clock = time.process_time(), time.perf_counter()
            call()
            times[place] = time.process_time() - cpu, time.perf_counter() - clock
    seconds = seconds[3:]  # the first rounds warm up
    session = list(calls).index('session')
    print('| | CPU ms | over the session | quarters | pictures a second |')
    print('| --- | ---: | ---: | --- | ---: |')
    for place, name in enumerate(calls):
        low, ratio, high = np.percentile(
            seconds[:, place, 0] / seconds[:, session, 0], (25, 50, 75)
        )
        milliseconds = 1000 * np.median(seconds[:, place, 0])
        rate = 1 / seconds[:, place, 1].min()
        print(f'| {name} | {milliseconds:.1f} | {ratio:.3f} | {low:.3f}, {high:.3f} | {rate:.0f} |')


if __name__ == '__main__':
    main()
