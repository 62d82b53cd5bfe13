"""What the original implementation computed with known weights.

`tests/data/original.npz` and `tests/data/original_checkpoint_names.json` are facts about a run of
the original; docs/en/faithfulness.md tells how they were recorded.
"""

import json
import zlib
from functools import lru_cache

import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from torch import Tensor

from tests.conftest import ROOT

NAMES = json.loads((ROOT / 'tests/data/original_checkpoint_names.json').read_text())
"""The shape of every parameter and buffer by the original's name."""


@lru_cache
def recorded() -> dict[str, np.ndarray]:
    """The arrays of `original.npz` by name; see docs/en/faithfulness.md."""
    with np.load(ROOT / 'tests/data/original.npz') as file:
        return dict(file)


def weights() -> dict[str, Tensor]:
    """The 415 tensors of the model that was recorded, by the original's names.

    The statistics of batch norm were recorded. All other values follow from the seed and the
    tensor's name, so that 130 MB of weights need not be stored.
    """
    state = {}
    for name, shape in NAMES.items():
        if name.endswith('num_batches_tracked'):
            value = np.int64(0)
        elif f'buffer:{name}' in recorded():
            value = recorded()[f'buffer:{name}']
        else:
            value = made_up(name, shape, int(recorded()['seed'])).astype(np.float32)
        state[name] = torch.as_tensor(value)
    return state


def made_up(name: str, shape: list[int], seed: int) -> np.ndarray:
    """The values of one weight; the original was run with the same ones."""
    generator = np.random.RandomState((zlib.crc32(name.encode()) + seed) % 2**32)
    if name.endswith('.filt'):  # the blur before each subsampling is constant
        blur = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16
        return np.broadcast_to(blur, shape).copy()
    if name.endswith('.weight') and len(shape) == 1:
        return generator.uniform(0.5, 1.5, shape)
    if name.endswith('.weight'):
        gain = 0.7 if '.body.' in name else 1.0
        gain *= {'rpn.head.kps_bases.weight': 2.0, 'rpn.head.cls_logits.weight': 2.5}.get(name, 1.0)
        return generator.normal(0, gain * np.sqrt(2 / np.prod(shape[1:])), shape)
    shift = {'rpn.head.cls_logits.bias': -1.5, 'heatmaps.deeplab.heatmaps.bias': -3.0}
    return generator.normal(0, 0.1, shape) + shift.get(name, 0.0)


def images() -> Tensor:
    """The batch of two, (2, 3, 224, 320), as it goes into the backbone."""
    return torch.from_numpy((recorded()['image_hundredths'] / 100).astype(np.float32))


def data_samples() -> list[PoseDataSample]:
    """The people of the two images, in input pixels."""
    samples = []
    sizes = recorded()['image_sizes'].tolist()
    for i, (height, width) in enumerate(sizes):
        keypoints = torch.from_numpy(recorded()[f'gt_keypoints_{i}'])
        sample = PoseDataSample(
            metainfo=dict(img_shape=(height, width), batch_input_shape=tuple(images().shape[2:]))
        )
        sample.gt_instance_labels = InstanceData(
            bboxes=torch.from_numpy(recorded()[f'gt_boxes_{i}']),
            labels=torch.zeros(len(keypoints), dtype=torch.long),
            keypoints=keypoints[..., :2].contiguous(),
            keypoints_visible=keypoints[..., 2].contiguous(),
        )
        samples.append(sample)
    return samples
