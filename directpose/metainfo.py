"""Metainfo, which describes the keypoints of a data set, and defaults for what it lacks."""

import logging

import numpy as np
from mmengine.logging import print_log
from mmpose.datasets.datasets.utils import parse_pose_metainfo

# The mean of the sigmas of COCO's 17 keypoints.
DEFAULT_SIGMA = 0.067


def parse_metainfo(metainfo: dict) -> dict:
    """Parse metainfo as MMPose does, and give keypoints without sigmas a default.

    A sigma says how exactly people label a keypoint, relative to the square root of the
    instance's area. Losses and COCO's metric need the sigmas. Some of MMPose's metainfo has an
    empty list of sigmas, with which its metric cannot score.

    Args:
        metainfo (dict): ``dict(from_file=...)`` or the fields themselves.

    Returns:
        dict: What ``parse_pose_metainfo`` of MMPose returns, with a sigma for each keypoint.

    Raises:
        ValueError: If the number of sigmas is neither 0 nor that of keypoints.
    """
    parsed = parse_pose_metainfo(metainfo)
    name, num_keypoints = parsed['dataset_name'], parsed['num_keypoints']
    num_sigmas = len(parsed['sigmas'])
    if num_sigmas == 0:
        # MMEngine logs the same warning once, however many read the metainfo.
        print_log(
            f"The metainfo '{name}' has no sigmas: {DEFAULT_SIGMA}, the mean of COCO's, is taken "
            f'for each of the {num_keypoints} keypoints. AP depends on it.',
            logger='current',
            level=logging.WARNING,
        )
        parsed['sigmas'] = np.full(num_keypoints, DEFAULT_SIGMA, dtype=np.float32)
    elif num_sigmas != num_keypoints:
        raise ValueError(
            f"The metainfo '{name}' has {num_sigmas} sigmas, but {num_keypoints} keypoints: give "
            f'`sigmas` one entry for each, or an empty list, which takes {DEFAULT_SIGMA} for all.'
        )
    return parsed
