"""Write an exported model that computes in half precision."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

from directpose.runtime import DirectPose

from .verify import compare_poses

TOLERANCE = 0.01
"""The largest difference of scores, and of positions divided by the longer side of the picture. In
half precision a coordinate of 1,000 pixels is rounded to half a pixel."""


def convert_to_half(source: str | Path, path: str | Path, pictures: Sequence[np.ndarray]) -> float:
    """Write a model that computes in half precision (fp16), and compare it with its source.

    Inputs and outputs stay in single precision, so :class:`directpose.runtime.DirectPose` runs the
    file. GPUs are faster in half precision. CPUs are not: most convert back and forth.

    Args:
        source (str | Path): A file of :func:`~.export.export_onnx`.
        path (str | Path): The file to write. An older file of this name is replaced.
        pictures (Sequence[np.ndarray]): Pictures to compare on, (H, W, 3) uint8 in BGR.

    Returns:
        float: The difference between the poses of the two files, of a score or of a position over
        the longer side of the picture: the median over the people of a picture, and the largest of
        the pictures. Rounding may decide about a person in NMS, so single people may differ more.

    Raises:
        ValueError: If ``source`` is not a model, or if the two files differ by more than
            ``TOLERANCE``.
    """
    single, path = DirectPose(source), Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        written = Path(folder, 'fp16.onnx')
        onnx.save(convert_float_to_float16(onnx.load(single.path), keep_io_types=True), written)
        half = DirectPose(written)
        differences = [
            compare_poses(single(one), half(one), max(one.shape[:2]), missing=0.5)[1]
            for one in pictures
        ]
        if not max(differences) <= TOLERANCE:  # NaN is not
            raise ValueError(
                f'in half precision the poses differ by {max(differences):.1e} of the picture or '
                f'of a score, more than {TOLERANCE:.0e}; keep single precision'
            )
        os.replace(written, path)
    return max(differences)
