"""Repairs of annotation files that MMPose is too strict to read."""

import atexit
import os.path as osp
import shutil
import tempfile

import numpy as np

from directpose.dataset_check import is_finite, to_array


def readable(ann: dict) -> dict:
    """Make an annotation readable for MMPose, even if fields that training does not use are wrong.

    Args:
        ann (dict): An annotation whose keypoints and box have no errors.

    Returns:
        dict: A copy in which all keypoints are finite, ``num_keypoints`` is an integer,
        ``iscrowd`` is 0 or 1, ``segmentation`` is a list, and ``area`` is a number or is missing.
    """
    keypoints = to_array(ann['keypoints'], (-1, 3))
    # Keypoints without a label may have NaN as coordinates. FiftyOne writes such files.
    keypoints[~np.isfinite(keypoints).all(axis=1)] = 0
    readable = dict(
        ann,
        keypoints=keypoints.ravel().tolist(),
        iscrowd=int(bool(ann.get('iscrowd'))),
        segmentation=ann['segmentation'] if isinstance(ann.get('segmentation'), list) else [],
    )
    if type(ann.get('num_keypoints')) is not int:
        readable['num_keypoints'] = int(np.count_nonzero(keypoints[:, 2]))
    if not is_finite(ann.get('area')):
        readable.pop('area', None)  # MMPose then takes a fraction of the box's area
    return readable


def without_byte_order_mark(ann_file: str) -> str:
    """Copy an annotation file without its byte order mark, with which xtcocotools cannot read it.

    Args:
        ann_file (str): The path of an annotation file.

    Returns:
        str: The path of the copy, which is deleted when the process ends. If the file has no
        byte order mark, it is not copied, and its own path is returned.
    """
    if '://' in ann_file or not osp.isfile(ann_file):
        return ann_file
    with open(ann_file, 'rb') as file:
        if file.read(3) != b'\xef\xbb\xbf':
            return ann_file
        folder = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        copy = osp.join(folder, osp.basename(ann_file))
        with open(copy, 'wb') as written:
            shutil.copyfileobj(file, written)
    return copy
