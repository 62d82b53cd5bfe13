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

_FIRST = 3
"""So many convolutions stay in single precision: those nearest to the picture. In eight bits they
cost the small model 6 AP, and they are a small part of its time."""


class _Inputs(CalibrationDataReader):
    """The inputs that the runtime makes of each picture."""

    def __init__(self, model: DirectPose, pictures: Iterable) -> None:
        self._inputs: Iterator[dict] = map(model.inputs, pictures)

    def get_next(self) -> dict | None:
        return next(self._inputs, None)


def quantize(source: str | Path, path: str | Path, pictures: Iterable) -> None:
    """Write a model whose convolutions compute in eight-bit integers.

    The ranges of the maps are those that the pictures give. Weights have a scale for each output
    channel. The first convolutions and everything else stay in single precision.

    Args:
        source (str | Path): A file of :func:`export_onnx`.
        path (str | Path): The file to write. An older file of this name is replaced.
        pictures (Iterable): Pictures of the kind that the model will see, as
            :class:`directpose.runtime.DirectPose` takes them. About 100 pictures are enough.

    Raises:
        ValueError: If there are no pictures, if one cannot be read, or if the file is no model.
    """
    path, pictures = Path(path), list(pictures)
    if not pictures:
        raise ValueError(
            'an int8 model needs pictures of the kind that it will see, to learn the ranges of '
            'its maps from; none were given'
        )
    model = DirectPose(source)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        merged, written = Path(folder, 'merged.onnx'), Path(folder, 'int8.onnx')
        # Weights stored in half precision become single; batch norm goes into its convolution.
        quant_pre_process(str(source), str(merged), skip_symbolic_shape=True)
        nodes = onnx.load(merged).graph.node
        first = [node.name for node in nodes if node.op_type == 'Conv'][:_FIRST]
        logger = logging.getLogger()
        level = logger.level
        logger.setLevel(logging.ERROR)  # it advises the step above, which is done
        try:
            quantize_static(
                merged,
                written,
                _Inputs(model, pictures),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=['Conv'],
                nodes_to_exclude=first,
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
