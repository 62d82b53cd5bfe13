"""Find out where KPAlign reads the features of the people that a model finds."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from directpose.errors import UserError
from directpose.models import KPAlign


class SampledPeople(NamedTuple):
    """The n people of one picture, best first, and where KPAlign samples. In input pixels."""

    locations: np.ndarray
    """(n, 2): the location that found the person."""
    strides: np.ndarray
    """(n, ): the stride of this location's level."""
    sampled: np.ndarray
    """(n, G, 2): where each of the G keypoint groups reads the features."""
    keypoints: np.ndarray
    """(n, K, 2): the predicted keypoints."""
    scores: np.ndarray
    """(n, ): the scores of the people."""


def find_sampled_people(model: nn.Module, data: dict) -> SampledPeople:
    """Find the people in one picture, and where KPAlign reads the features of each.

    Args:
        model (nn.Module): An estimator with a ``DirectPoseHead``, in evaluation mode.
        data (dict): A batch of one picture, as the test pipeline and ``pseudo_collate`` give it.

    Returns:
        SampledPeople: The people whom the model returns with its ``test_cfg``.

    Raises:
        UserError: If the head has no KPAlign.
    """
    head = model.head
    branch = head.keypoint_branch
    if not isinstance(branch, KPAlign):
        raise UserError(
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
        """Turn vectors (1, 2n, H, W) of each level, in strides, to points (L, n, 2) in pixels."""
        vectors = torch.cat([m[0].flatten(1).T for m in maps])  # (L, 2n)
        return (points + vectors.float().unflatten(1, (-1, 2)) * stride).cpu().numpy()

    keypoints, sampled = in_pixels(outputs[1]), in_pixels(raw)
    # Decoding does not return the location of a pose, but its keypoints are the same to rounding.
    index = np.array(
        [np.abs(keypoints - pose).max(axis=(1, 2)).argmin() for pose in found.keypoints], dtype=int
    )
    return SampledPeople(
        locations.points.cpu().numpy()[index],
        locations.strides.cpu().numpy()[index],
        sampled[index],
        np.asarray(found.keypoints),
        np.asarray(found.bbox_scores),
    )
