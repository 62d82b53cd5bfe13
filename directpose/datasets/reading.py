"""What stands between an annotation file as people write it and MMPose, which is strict."""

import atexit
import os.path as osp
import shutil
import tempfile

import numpy as np

from directpose.dataset_check import is_finite, to_array


def readable(ann: dict) -> dict:
    """Make an annotation one that MMPose reads, whatever is in fields that training does not use.

    Args:
        ann (dict): An annotation of the file, without errors of the keypoints and the box.

    Returns:
        dict: The same with finite keypoints, a whole number of them, ``iscrowd`` 0 or 1, a list
        as segmentation, and an area that is a number or lacks.
    """
    keypoints = to_array(ann['keypoints'], (-1, 3))
    # The place of a keypoint that is not labelled may be NaN: FiftyOne writes it so.
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
        readable.pop('area', None)  # MMPose takes a part of the box
    return readable


def without_byte_order_mark(ann_file: str) -> str:
    """Copy a file that begins with a byte order mark, which xtcocotools does not read.

    Args:
        ann_file (str): An annotation file.

    Returns:
        str: The file, or a copy without the mark, which is deleted when the process ends.
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
