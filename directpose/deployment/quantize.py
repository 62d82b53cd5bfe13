"""Write an exported model with convolutions of eight-bit integers."""

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from directpose.runtime import DirectPose

from .half_precision import computes_in_half

_FEW_CHANNELS = 32
"""ONNX Runtime computes groups with fewer channels faster in single precision than in eight bits,
unless each group has one channel."""


class _Inputs(CalibrationDataReader):
    """The inputs that the runtime makes of each picture."""

    def __init__(self, model: DirectPose, pictures: Iterable) -> None:
        self._inputs: Iterator[dict] = map(model.inputs, pictures)

    def get_next(self) -> dict | None:
        return next(self._inputs, None)


def quantize(source: str | Path, path: str | Path, pictures: Iterable) -> None:
    """Write a model whose convolutions compute in eight-bit integers.

    The ranges of the maps are those that the pictures give. Weights have a scale for each output
    channel. A ReLU that follows a convolution becomes a part of it. Everything else stays in single
    precision. So do convolutions whose groups have between 2 and 31 input channels, because ONNX
    Runtime computes them faster in single precision.

    Args:
        source (str | Path): A file of :func:`export_onnx`, or the name of a model in the package.
        path (str | Path): The file to write. An older file of this name is replaced.
        pictures (Iterable): Pictures of the kind that the model will see, as
            :class:`directpose.runtime.DirectPose` takes them. About 100 pictures are enough.

    Raises:
        ValueError: If there are no pictures, if one cannot be read, if the file is not a model, if
            the model has eight-bit integers or half precision already, or if there is no folder for
            ``path``.
    """
    path, pictures = Path(path), list(pictures)
    if not path.parent.is_dir():
        raise ValueError(f'{path}: there is no folder {path.parent}')
    if not pictures:
        raise ValueError(
            'an int8 model needs pictures of the kind that it will see, to learn the ranges of '
            'its maps from; none were given'
        )
    model = DirectPose(source)
    source = model.path
    graph = onnx.load(source).graph
    if any(node.op_type == 'QuantizeLinear' for node in graph.node):
        raise ValueError(f'{source}: this model has eight-bit integers already')
    if computes_in_half(graph):
        raise ValueError(
            f'{source}: this model computes in half precision; give the file in single precision'
        )
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        merged, written = Path(folder, 'merged.onnx'), Path(folder, 'int8.onnx')
        # Weights stored in half precision become single; batch norm goes into its convolution.
        quant_pre_process(source, str(merged), skip_symbolic_shape=True)
        slow = _slow_in_eight_bits(onnx.load(merged).graph)
        logger = logging.getLogger()
        level = logger.level
        logger.setLevel(logging.ERROR)  # it advises the step above, which is done
        try:
            quantize_static(
                merged,
                written,
                _Inputs(model, pictures),
                quant_format=QuantFormat.QDQ,
                # With the ReLUs, a convolution is not rounded before its ReLU as well.
                op_types_to_quantize=['Conv', 'Relu', 'Clip'],
                nodes_to_exclude=slow,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            logger.setLevel(level)
        quantized = onnx.load(written)
        del quantized.metadata_props[:]
        quantized.metadata_props.extend(onnx.load(source).metadata_props)
        onnx.save(quantized, written)
        os.replace(written, path)


def _slow_in_eight_bits(graph: onnx.GraphProto) -> list[str]:
    """Names of the convolutions that eight bits would slow down."""
    channels = {
        weight.name: weight.dims[1] for weight in graph.initializer if len(weight.dims) == 4
    }
    grouped = [
        node
        for node in graph.node
        if node.op_type == 'Conv' and any(a.name == 'group' and a.i > 1 for a in node.attribute)
    ]
    return [n.name for n in grouped if 1 < channels[n.input[1]] < _FEW_CHANNELS]
