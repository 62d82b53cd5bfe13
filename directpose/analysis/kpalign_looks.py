"""Where KPAlign looks for the keypoints of the people that it finds."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from directpose.models import KPAlign


class Looks(NamedTuple):
    """The n people of one picture, best first, in input pixels."""

    locations: np.ndarray
    """(n, 2): the location that found the person."""
    strides: np.ndarray
    """(n, ): the stride of its level."""
    sampled: np.ndarray
    """(n, G, 2): where each group reads the features."""
    keypoints: np.ndarray
    """(n, K, 2)."""
    scores: np.ndarray
    """(n, )."""


def locate_looks(model: nn.Module, data: dict) -> Looks:
    """Find people in one picture, and note from where and over where they were found.

    Args:
        model (nn.Module): An estimator with a ``DirectPoseHead``, in evaluation mode.
        data (dict): A batch of one picture, as the test pipeline and ``pseudo_collate`` give.

    Returns:
        Looks: Of the people that the model's ``test_cfg`` leaves.

    Raises:
        ValueError: If the head has no KPAlign.
    """
    head = model.head
    branch = head.keypoint_branch
    if not isinstance(branch, KPAlign):
        raise ValueError(
            f'the keypoint branch is {type(branch).__name__}, which looks nowhere: give a config '
            'with KPAlign'
        )
    raw: list[Tensor] = []
    hook = branch.locator.register_forward_hook(lambda module, inputs, output: raw.append(output))
    try:
        with torch.no_grad():
            batch = model.data_preprocessor(data, training=False)
            outputs = head(model.extract_feat(batch['inputs']))
    finally:
        hook.remove()
    metas = [sample.metainfo for sample in batch['data_samples']]
    found = head.predict_by_feat(*outputs, batch_img_metas=metas, cfg=model.test_cfg)[0]

    locations = head.locations(outputs[0])
    stride = locations.strides[:, None, None]  # (L, 1, 1)
    points = locations.points[:, None]  # (L, 1, 2)

    def in_pixels(maps: list[Tensor]) -> np.ndarray:
        """Vectors (1, 2n, H, W) a level in strides to points (L, n, 2) in input pixels."""
        vectors = torch.cat([m[0].flatten(1).T for m in maps])  # (L, 2n)
        return (points + vectors.float().unflatten(1, (-1, 2)) * stride).cpu().numpy()

    keypoints, sampled = in_pixels(outputs[1]), in_pixels(raw)
    # Decoding does not say which location a pose is of; the pose is the same to rounding.
    index = np.array(
        [np.abs(keypoints - pose).max(axis=(1, 2)).argmin() for pose in found.keypoints], dtype=int
    )
    return Looks(
        locations.points.cpu().numpy()[index],
        locations.strides.cpu().numpy()[index],
        sampled[index],
        np.asarray(found.keypoints),
        np.asarray(found.bbox_scores),
    )
