"""Check the environment by using it, and say how to mend what is broken.

::

    python tools/check_env.py              # every check
    python tools/check_env.py mmcv mmdet   # only these

Prints versions, and runs what is compiled (MMCV's operators, xtcocotools' masks,
OpenCV's JPEG codec) on inputs whose results are known by hand. After a failed check the
next checks run in a new process, so one broken package does not hide another. For each
failure the tool prints the command that mends it, and the exit status is 1.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / 'requirements' / 'lock.txt'
SECONDS_A_CHECK = 600  # importing torch from a cold disk on a busy machine is slow


class WrongResultError(RuntimeError):
    """An operator runs but computes something else."""


class Check(NamedTuple):
    """One check.

    Attributes:
        run: Does the check; returns what to print behind the name, or raises.
        remedy: The command that mends a failure, where the error names no other.
    """

    run: Callable[[], str]
    remedy: str


# Remedies -----------------------------------------------------------------


def python_command(*arguments: str | Path) -> str:
    """Shell command for the Python that runs this check."""
    return shlex.join([sys.executable, *map(str, arguments)])


def reinstall(*names: str) -> str:
    """Install the locked versions of ``names`` over whatever is there."""
    lock = LOCK.read_text()
    pins = [re.search(rf'^{name}==[^;\s]+', lock, re.MULTILINE)[0] for name in names]
    return python_command('-m', 'pip', 'install', '--no-deps', '--force-reinstall', *pins)


def complete_stack() -> str:
    return python_command('-m', 'directpose_stack')


def install_directpose() -> str:
    return python_command('-m', 'pip', 'install', '--no-deps', '--no-build-isolation', '-e', ROOT)


def remedy_for(error: Exception, default: str) -> str:
    """The remedy where the error itself names what is missing, or ``default``."""
    if isinstance(error, ImportError) and re.search(r'lib(GL|gthread|glib)\S*\.so', str(error)):
        return 'sudo apt-get install -y libgl1 libglib2.0-0'
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return default
    missing = error.name.split('.')[0]
    if missing == 'pkg_resources':
        return reinstall('setuptools')
    if missing == 'directpose':
        return install_directpose()
    if missing in ('mmcv', 'xtcocotools'):
        return complete_stack()
    return python_command(
        '-m',
        'pip',
        'install',
        '--no-deps',
        '--only-binary',
        ':all:',
        '--require-hashes',
        '-r',
        LOCK,
    )


# Checks -------------------------------------------------------------------


def expect(what: str, result, expected) -> None:
    """Compare nested lists of numbers, floats to 1e-4."""
    import numpy as np

    result, expected = np.asarray(result), np.asarray(expected)
    if result.shape != expected.shape or not np.allclose(result, expected, atol=1e-4):
        raise WrongResultError(f'{what} gives {result.tolist()}, not {expected.tolist()}')


def check_python() -> str:
    if sys.version_info[:2] not in {(3, 11), (3, 12), (3, 13)}:
        raise RuntimeError(f'Python {sys.version.split()[0]}: the locked stack is for 3.11 to 3.13')
    return f'{sys.version.split()[0]}, {sys.executable}'


def check_setuptools() -> str:
    import pkg_resources  # mmengine does, and setuptools 82 dropped it

    return f'{metadata.version("setuptools")}, with {pkg_resources.__name__}'


def check_numpy() -> str:
    import numpy as np

    expect('a matrix product', np.array([[1.0, 2.0]]) @ np.array([[3.0], [4.0]]), [[11]])
    return np.__version__


def check_opencv() -> str:
    import cv2
    import numpy as np

    gray = np.full((16, 16, 3), 128, np.uint8)
    jpeg = cv2.imencode('.jpg', gray)[1]
    expect('a grey JPEG', cv2.imdecode(jpeg, cv2.IMREAD_COLOR), gray)
    return f'{cv2.__version__}, reads and writes JPEG'


def check_xtcocotools() -> str:
    import numpy as np
    from xtcocotools import mask

    square = np.zeros((4, 4, 1), np.uint8, order='F')
    square[1:3, 1:3] = 1
    expect("a mask's area", mask.area(mask.encode(square)), [4])
    return f'{metadata.version("xtcocotools")}, works with numpy {np.__version__}'


def check_torch() -> str:
    import torch

    expect('a matrix product', torch.ones(1, 2) @ torch.ones(2, 1), [[2]])
    return f'{torch.__version__}, {torch.get_num_threads()} thread(s)'


def check_torchvision() -> str:
    import torch
    import torchvision

    for requirement in metadata.requires('torchvision') or []:
        wanted = re.match(r'torch *\(?== *([\d.]+)', requirement)
        if wanted and wanted[1] != torch.__version__.split('+')[0]:
            raise RuntimeError(
                f'torchvision {torchvision.__version__} is the pair of torch {wanted[1]}, '
                f'not of {torch.__version__}'
            )
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]])
    expect('NMS', torchvision.ops.nms(boxes, torch.tensor([0.8, 0.9, 0.7]), 0.5), [1, 2])
    return f'{torchvision.__version__}, the pair of this torch'


def check_mmengine() -> str:
    import mmengine

    return mmengine.__version__


def run_shared_operators(device: str) -> None:
    """NMS and deformable convolution by MMCV."""
    import torch
    from mmcv.ops import deform_conv2d, nms

    # The first two overlap by 81 / 119.
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]], device=device)
    scores = torch.tensor([0.8, 0.9, 0.7], device=device)
    expect(f'NMS on {device}', nms(boxes, scores, 0.5)[1].cpu(), [1, 2])

    # Twice the value half a pixel to the right; outside the image is 0.
    image = torch.arange(9.0, device=device).reshape(1, 1, 3, 3)  # (N, C, H, W)
    offset = torch.zeros(1, 2, 3, 3, device=device)  # (N, 2, H, W), y before x
    offset[:, 1] = 0.5
    weight = torch.full((1, 1, 1, 1), 2.0, device=device)
    result = deform_conv2d(image, offset, weight)[0, 0].cpu()  # (H, W)
    expect(f'deformable convolution on {device}', result, [[1, 3, 2], [7, 9, 5], [13, 15, 8]])


def operators() -> str:
    """Whose operators MMCV has."""
    import mmcv._ext

    if mmcv._ext.__file__.endswith('.py'):
        return 'operators of torchvision (some are slower, rare ones refuse)'
    return 'its own compiled operators'


def check_mmcv() -> str:
    import mmcv

    run_shared_operators('cpu')
    return f'{mmcv.__version__}, {operators()}: NMS and deformable convolution right on the CPU'


def check_mmdet() -> str:
    import mmcv
    import mmdet  # refuses an mmcv out of its range

    return f'{mmdet.__version__}, accepts mmcv {mmcv.__version__}'


def check_mmpose() -> str:
    import mmpose
    import mmpose.apis

    return mmpose.__version__


def check_directpose() -> str:
    import directpose

    return f'{directpose.__version__}, {Path(directpose.__file__).parent}'


def check_gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        if os.environ.get('CUDA_VISIBLE_DEVICES') == '':
            return 'hidden by an empty CUDA_VISIBLE_DEVICES, everything runs on the CPU'
        if shutil.which('nvidia-smi') and subprocess.run(
            ['nvidia-smi', '-L'], capture_output=True, check=False
        ).stdout.startswith(b'GPU'):
            return (
                f'nvidia-smi sees a GPU, torch does not: CUDA {torch.version.cuda} of torch may '
                'need a newer driver. Everything runs on the CPU'
            )
        return 'none, everything runs on the CPU'
    from mmcv.ops import get_compiling_cuda_version, sigmoid_focal_loss

    if get_compiling_cuda_version() == 'not available':
        raise RuntimeError(
            'MMCV was compiled without CUDA, so its operators fail on the GPU; the remedy removes '
            'MMCV and installs it with the operators of torchvision, which run on the GPU'
        )
    run_shared_operators('cuda')
    # Logit 0 is probability 0.5: alpha * 0.5 ** gamma * ln 2 for the class,
    # (1 - alpha) * 0.5 ** gamma * ln 2 for the background.
    logits = torch.zeros(2, 1, device='cuda')  # (N, num_classes)
    labels = torch.tensor([0, 1], device='cuda')  # 1 = num_classes: background
    loss = sigmoid_focal_loss(logits, labels, 2.0, 0.25, None, 'none').cpu()  # (N, num_classes)
    expect('focal loss on cuda', loss, [[0.0433217], [0.1299651]])
    return (
        f'{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}: NMS, deformable '
        'convolution and focal loss right'
    )


CHECKS = {
    'python': Check(check_python, f'bash {shlex.quote(str(ROOT / "tools" / "setup_env.sh"))}'),
    'setuptools': Check(check_setuptools, reinstall('setuptools')),
    'numpy': Check(check_numpy, reinstall('numpy')),
    'opencv': Check(check_opencv, reinstall('opencv-python')),
    'xtcocotools': Check(check_xtcocotools, complete_stack()),
    'torch': Check(check_torch, reinstall('torch')),
    'torchvision': Check(check_torchvision, reinstall('torch', 'torchvision')),
    'mmengine': Check(check_mmengine, reinstall('mmengine')),
    'mmcv': Check(check_mmcv, complete_stack()),
    'mmdet': Check(check_mmdet, reinstall('mmcv-lite')),
    'mmpose': Check(check_mmpose, reinstall('mmpose')),
    'directpose': Check(check_directpose, install_directpose()),
    'gpu': Check(
        check_gpu,
        f'{python_command("-m", "pip", "uninstall", "-y", "mmcv")} && {complete_stack()}',
    ),
}


# Running them -------------------------------------------------------------


class Outcome(NamedTuple):
    """What became of one check."""

    passed: bool
    text: str
    """The result, or the error."""
    remedy: str
    """The command that mends a failure."""


def run_here(names: list[str]) -> None:
    """Run checks in this process up to the first that fails; print an outcome a line, as JSON.

    A package that could not be imported leaves parts of it behind, so this process is of no use
    after a failure.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever else a package prints
    for name in names:
        check = CHECKS[name]
        try:
            outcome = Outcome(True, check.run(), '')
        except Exception as error:
            message = str(error).strip().splitlines() or ['']
            remedy = remedy_for(error, check.remedy)
            outcome = Outcome(False, f'{type(error).__name__}: {message[0]}', remedy)
        print(json.dumps(outcome), file=answers, flush=True)
        if not outcome.passed:
            return


def run_apart(names: list[str]) -> Iterator[Outcome]:
    """Run checks in another process, up to the first that fails or that ends this process."""
    command = [sys.executable, '-W', 'ignore', __file__, '--here', *names]
    with (
        tempfile.TemporaryFile('w+') as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        for name in names:
            stuck = threading.Event()

            def stop(stuck: threading.Event = stuck) -> None:
                stuck.set()
                process.kill()

            timer = threading.Timer(SECONDS_A_CHECK, stop)
            timer.start()
            answer = process.stdout.readline()
            timer.cancel()
            if answer:
                yield Outcome(*json.loads(answer))
                continue
            status = process.wait()
            errors.seek(0)
            text = (errors.read().strip().splitlines() or ['died'])[-1]
            if stuck.is_set():
                text = f'no answer within {SECONDS_A_CHECK} s'
            elif status < 0:
                text = f'crashed ({signal.Signals(-status).name})'
            yield Outcome(False, text, CHECKS[name].remedy)
            return


def run_all(names: list[str]) -> Iterator[Outcome]:
    """Run checks one after the other, and after each failure in a new process."""
    done = 0
    while done < len(names):
        for outcome in run_apart(names[done:]):
            yield outcome
            done += 1
            if not outcome.passed:
                break


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('names', nargs='*', metavar='CHECK', help=', '.join(CHECKS))
    parser.add_argument('--here', action='store_true', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if unknown := [name for name in args.names if name not in CHECKS]:
        parser.error(f'{unknown[0]} is not one of: {", ".join(CHECKS)}')
    return args


def main() -> int:
    args = parse_args()
    if args.here:
        run_here(args.names)
        return 0
    names = args.names or list(CHECKS)
    failed = 0
    for name, (passed, text, remedy) in zip(names, run_all(names), strict=True):
        print(f'{"ok  " if passed else "FAIL"}  {name:12} {text}', flush=True)
        if not passed:
            failed += 1
            print(f'      mend it with:  {remedy}', flush=True)
    if failed:
        print(f'{failed} of {len(names)} checks failed. Mend from the top down, and check again.')
        return 1
    print(f'All {len(names)} checks passed.')
    return 0


if __name__ == '__main__':
    sys.exit(main())
