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
        ValueError: If there are no pictures or no folder for ``path``; if ``source`` is not a
            model, or computes in half precision already; if the difference is more than
            ``TOLERANCE``, or if one file finds a tenth of the people more than the other.
    """
    if not pictures:
        raise ValueError('a file in half precision is compared on pictures; none were given')
    if not Path(path).parent.is_dir():
        raise ValueError(f'{path}: there is no folder {Path(path).parent}')
    single, path = DirectPose(source), Path(path)
    graph = onnx.load(single.path)
    if computes_in_half(graph.graph):
        raise ValueError(f'{single.path}: this model computes in half precision already')
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        written = Path(folder, 'fp16.onnx')
        onnx.save(convert_float_to_float16(graph, keep_io_types=True), written)
        half = DirectPose(written)
        difference = float(np.max([_compare(single, half, one) for one in pictures]))
        if not difference <= TOLERANCE:  # NaN is not
            raise ValueError(
                f'in half precision the poses differ by {difference:.1e} of the picture or of a '
                f'score, more than {TOLERANCE:.0e}; keep single precision'
            )
        os.replace(written, path)
    return difference


def computes_in_half(graph: onnx.GraphProto) -> bool:
    """Whether the convolutions of a graph compute in half precision."""
    halves = {one.name for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT16}
    return any(node.op_type == 'Conv' and node.input[1] in halves for node in graph.node)


def _compare(single: DirectPose, half: DirectPose, picture: np.ndarray) -> float:
    """The median difference of the people of a picture; infinite if their numbers differ."""
    expected, got = single(picture), half(picture)
    people, difference = compare_poses(expected, got, max(picture.shape[:2]), missing=0.5)
    return difference if abs(len(got.scores) - people) <= 1 + 0.1 * people else float('inf')
