"""Write an exported model that computes in half precision."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from torch import nn

from directpose.runtime import DirectPose

from .verify import Difference, verify_onnx

TOLERANCE = 0.05
"""The largest difference of scores, and of positions divided by the longer side of the picture, at
the worst location of a picture. In half precision a coordinate of 1,000 pixels is rounded to half a
pixel. directpose-tiny has differences of 0.017 and 0.006 on 20 drawn pictures."""

POSES_TOLERANCE = 0.01
"""The same for the poses that are found, of which half may differ more."""


def convert_to_half(
    source: str | Path, path: str | Path, model: nn.Module, pictures: Sequence[np.ndarray]
) -> list[Difference]:
    """Write a model that computes in half precision (fp16), and compare it with the model.

    Inputs and outputs stay in single precision, so :class:`directpose.runtime.DirectPose` runs the
    file. GPUs are faster in half precision. CPUs are not: most convert back and forth.

    Args:
        source (str | Path): A file that :func:`~.export.export_onnx` made of the model.
        path (str | Path): The file to write. An older file of this name is replaced.
        model (nn.Module): The model, on the CPU, not prepared for speed.
        pictures (Sequence[np.ndarray]): See :func:`~.verify.verify_onnx`.

    Returns:
        list[Difference]: One for each picture. Half of the people may differ more, because
        rounding may decide about a person in NMS.

    Raises:
        ValueError: If there are no pictures or no folder for ``path``; if ``source`` is not a
            model, or computes in half precision already; or if the file differs from the model by
            more than ``TOLERANCE``, or in its poses by more than ``POSES_TOLERANCE``.
    """
    path = Path(path)
    if not pictures:
        raise ValueError('a file in half precision is compared on pictures; none were given')
    if not path.parent.is_dir():
        raise ValueError(f'{path}: there is no folder {path.parent}')
    source = DirectPose(source).path
    single = onnx.load(source)
    if computes_in_half(single.graph):
        raise ValueError(f'{source}: this model computes in half precision already')
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        written = Path(folder, 'fp16.onnx')
        onnx.save(convert_float_to_float16(single, keep_io_types=True), written)
        differences = [verify_onnx(model, written, one, TOLERANCE, 0.5) for one in pictures]
        worst = max(one.poses for one in differences)
        if worst > POSES_TOLERANCE:
            raise ValueError(
                f'in half precision the poses differ by {worst:.1e} of the picture or of a score, '
                f'more than {POSES_TOLERANCE:.0e}; keep single precision'
            )
        os.replace(written, path)
    return differences


def computes_in_half(graph: onnx.GraphProto) -> bool:
    """Whether the convolutions of a graph compute in half precision."""
    halves = {one.name for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT16}
    return any(node.op_type == 'Conv' and node.input[1] in halves for node in graph.node)
