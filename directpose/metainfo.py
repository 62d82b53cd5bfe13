"""Metainfo, which describes the keypoints of a data set, and defaults for what it lacks."""

import logging

import numpy as np
from mmengine.logging import print_log
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from .errors import UserError

# The mean of the sigmas of COCO's 17 keypoints.
DEFAULT_SIGMA = 0.067

# The least and the largest sigma. Beyond these, every OKS is 0 or 1. The runtime, which does not
# import this module, refuses a file with others too.
SIGMA_LIMITS = (1e-6, 1e6)


def read_metainfo(metainfo: dict) -> dict:
    """Parse metainfo with MMPose, and say what is wrong with a file that is no metainfo.

    Args:
        metainfo (dict): ``dict(from_file=...)`` or the fields themselves.

    Returns:
        dict: What ``parse_pose_metainfo`` of MMPose returns.

    Raises:
        UserError: If there is no such file, or if it holds no metainfo.
    """
    name = metainfo.get('from_file', 'the metainfo')
    try:
        return parse_pose_metainfo(metainfo)
    except FileNotFoundError as error:
        raise UserError(
            f"{name}: there is no such file, and it is none of MMPose's metainfo files"
        ) from error
    except Exception as error:  # the file is Python code: it may raise anything
        raise UserError(
            f'{name} is not a metainfo file of MMPose ({type(error).__name__}: '
            f'{error}). It must set `dataset_info` to a dict of dataset_name, keypoint_info, '
            'skeleton_info, joint_weights and sigmas, in which each `swap` and `link` names '
            'keypoints of keypoint_info.'
        ) from error


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
        UserError: If there is no metainfo, if the number of sigmas is neither 0 nor that of
            keypoints, or if a sigma is beyond ``SIGMA_LIMITS``.
    """
    parsed = read_metainfo(metainfo)
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
        raise UserError(
            f"The metainfo '{name}' has {num_sigmas} sigmas, but {num_keypoints} keypoints: give "
            f'`sigmas` one entry for each, or an empty list, which takes {DEFAULT_SIGMA} for all.'
        )
    least, largest = SIGMA_LIMITS
    for index, sigma in enumerate(parsed['sigmas']):
        if not least <= sigma <= largest:
            raise UserError(
                f"The metainfo '{name}' has the sigma {sigma:g} for "
                f'{parsed["keypoint_id2name"][index]}: give each keypoint a number from {least:g} '
                f'to {largest:g}, such as {DEFAULT_SIGMA}.'
            )
    return parsed
