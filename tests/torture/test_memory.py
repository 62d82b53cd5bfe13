"""The memory of a process that gets pictures of ever other sizes.

``python -m pytest tests/torture -s --torture 2000 -k memory`` gives it so many pictures.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from mmpose.apis import MMPoseInferencer

from directpose.apis import named_model, optimize_for_inference
from directpose.runtime import DirectPose

pytestmark = pytest.mark.torture


def runtime():
    return DirectPose('directpose-tiny')


def torch():
    inferencer = MMPoseInferencer(*named_model('directpose-tiny'), device='cpu')
    return lambda picture: next(inferencer(picture))


def prepared():
    """The last one, because the process then keeps the memory that it frees."""
    inferencer = MMPoseInferencer(*named_model('directpose-tiny'), device='cpu')
    optimize_for_inference(inferencer.inferencer.model, keep_freed_memory=True)
    return lambda picture: next(inferencer(picture))


def resident() -> float:
    """What this process has in memory, in MB."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 2**20


@pytest.mark.timeout(0)
@pytest.mark.parametrize('load', [runtime, torch, prepared])
def test_memory_does_not_grow_with_the_pictures(load, torture):
    find = load()
    dice = np.random.default_rng(0)
    used = []
    for _ in range(torture):
        height, width = dice.integers(16, 641, 2)
        find(dice.integers(0, 256, (height, width, 3), dtype=np.uint8))
        used.append(resident())
        if len(used) % max(torture // 10, 1) == 0:  # a run may end before its time
            warm = used[len(used) // 5 :]
            slope = 1000 * np.polyfit(np.arange(len(warm)), warm, deg=1)[0]
            print(
                f'\n{len(used)} pictures by {load.__name__}: {min(warm):.1f} to {max(warm):.1f} MB '
                f'after the first fifth, {slope:+.2f} MB per 1,000 pictures'
            )
    assert slope < 30, 'a tenth of what the pictures themselves would take'
