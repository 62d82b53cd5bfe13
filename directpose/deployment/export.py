"""Write a trained model to an ONNX file, with the settings that a program needs to use it."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from directpose.datasets.transforms import ShortSideResize
from directpose.models import DirectPoseHead, EfficientNetLite0
from directpose.runtime.settings import METADATA_KEY

from .deploy_model import DeployModel

_MERGED, _UNMERGED = torch.onnx.TrainingMode.EVAL, torch.onnx.TrainingMode.PRESERVE
"""What the exporter makes of batch norm: a part of the convolution before it, or a node."""

OPSET = 18
"""The version of ONNX's operators. GridSample needs 16 or later, and a Pad with axes needs 18."""


def export_onnx(
    model: nn.Module,
    path: str | Path,
    resize: ShortSideResize,
    with_nms: bool = True,
    half_weights: bool = False,
) -> None:
    """Write a model to a file of standard ONNX operators.

    Batch, height and width are dynamic and have these names; height and width are multiples of
    the data preprocessor's ``pad_size_divisor``. Inputs and outputs are those of
    :class:`DeployModel`. A head that rates keypoints adds ``keypoint_scores`` and
    ``keypoints_hidden``. The metadata have the settings of the steps around the network, as JSON:
    ``short_side``, ``max_long_side``, ``pad_size_divisor``, ``score_thr``, ``keypoint_names``,
    ``keypoint_sigmas``, ``skeleton_links`` and ``nms``, which is null where NMS is in the graph.

    Args:
        model (nn.Module): mmpose's ``BottomupPoseEstimator`` with a :class:`DirectPoseHead`, on
            the CPU. It is switched to evaluation.
        path (str | Path): The file to write.
        resize (ShortSideResize): How its test pipeline resizes a picture.
        with_nms (bool): Whether NMS is part of the graph. Defaults to True.
        half_weights (bool): Whether to store the weights in half precision, which halves the size.
            Nothing is lost if the checkpoint has half precision too. When the file is loaded, the
            weights become single precision again. Batch norm then stays a node of its own, which
            runtimes merge into its convolution. Defaults to False.

    Raises:
        ValueError: If the model has an :class:`~directpose.models.EfficientNetLite0`, and batches
            are not padded to multiples of its stride 32.
    """
    wrapper = _PosesAndMaps(DeployModel(model, with_nms))
    divisor = model.data_preprocessor.pad_size_divisor
    if divisor % 32 and any(isinstance(part, EfficientNetLite0) for part in model.modules()):
        raise ValueError(
            f'pad_size_divisor={divisor} of the data_preprocessor: in a file the padding of '
            'EfficientNetLite0 is constant, and wrong for sizes that are no multiples of 32; set 32'
        )
    # Two images and at least two cells on the coarsest level: what is 1 while tracing may be
    # taken for a constant.
    side = 2 * max(*model.head.strides, divisor)
    inputs = (torch.rand(2, 3, side, side) * 255, torch.full((2, 2), side), torch.zeros(1))
    with warnings.catch_warnings(), torch.no_grad(), _nms_without_if():
        # sizes that really are constant, such as a tensor's number of channels
        warnings.simplefilter('ignore')
        maps = wrapper.model.maps(*inputs[:2])
        poses = wrapper.model.decode(maps, *inputs[1:])._asdict()
        shapes = {name: field.shape for name, field in poses.items() if field is not None}
        names = list(named_maps(model.head, maps))
        # By tracing: torch.export (torch 2.11) takes minutes to reason about the levels' sizes.
        torch.onnx.export(
            wrapper,
            inputs,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            training=_UNMERGED if half_weights else _MERGED,
            input_names=['images', 'image_sizes', 'score_thr'],
            output_names=[*shapes, *names],
            dynamic_axes={
                'images': {0: 'batch', 2: 'height', 3: 'width'},
                'image_sizes': {0: 'batch'},
                **{name: {0: 'batch', 2: 'rows', 3: 'columns'} for name in names},
            },
        )
    written = onnx.load(path)
    # The raw maps keep their names inside the graph. Of the outputs only the batch is dynamic.
    outputs = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ['batch', *shape[1:]])
        for name, shape in shapes.items()
    ]
    del written.graph.output[:]
    written.graph.output.extend(outputs)
    if half_weights:
        _halve_weights(written.graph)
    onnx.helper.set_model_props(
        written, {METADATA_KEY: json.dumps(_settings(model, resize, with_nms))}
    )
    onnx.checker.check_model(written, full_check=True)
    onnx.save(written, path)


def named_maps(head: DirectPoseHead, maps: Mapping[str, Sequence[Tensor]]) -> dict[str, Tensor]:
    """Give the raw maps the names that they have in the graph.

    Args:
        head (DirectPoseHead): The head.
        maps (Mapping[str, Sequence[Tensor]]): What the head's ``encode`` returns.

    Returns:
        dict[str, Tensor]: The maps. A name says what the map is, and the stride of its level.
    """
    return {
        f'{name}_{stride}': level
        for name, levels in maps.items()
        for level, stride in zip(levels, head.strides)
    }


class _PosesAndMaps(nn.Module):
    """A :class:`DeployModel` with the raw maps as further outputs."""

    def __init__(self, model: DeployModel) -> None:
        super().__init__()
        self.model = model
        self.eval()  # the exporter gives the mode that it found back to all modules

    def forward(self, images: Tensor, image_sizes: Tensor, score_thr: Tensor) -> tuple[Tensor, ...]:
        maps = self.model.maps(images, image_sizes)
        poses = self.model.decode(maps, image_sizes, score_thr)
        return *(field for field in poses if field is not None), *chain(*maps.values())


@contextmanager
def _nms_without_if() -> Iterator[None]:
    """Export torchvision's NMS without the If node that its own export adds."""

    def symbolic(g, boxes, scores, iou_threshold):
        def constant(value: object, dtype: torch.dtype = torch.long) -> object:
            return g.op('Constant', value_t=torch.tensor(value, dtype=dtype))

        selected = g.op(
            'NonMaxSuppression',
            g.op('Unsqueeze', boxes, constant([0])),  # (1, n, 4)
            g.op('Unsqueeze', scores, constant([0, 1])),  # (1, 1, n)
            constant([torch.iinfo(torch.long).max]),
            g.op('Cast', iou_threshold, to_i=onnx.TensorProto.FLOAT),
        )  # (m, 3): image, class, box
        return g.op('Gather', selected, constant(2), axis_i=1)  # (m, )

    # for this opset alone: torchvision's own stays registered for the first
    torch.onnx.register_custom_op_symbolic('torchvision::nms', symbolic, OPSET)
    try:
        yield
    finally:
        torch.onnx.unregister_custom_op_symbolic('torchvision::nms', OPSET)


def _halve_weights(graph: onnx.GraphProto) -> None:
    """Store the graph's weights in half precision, each with a cast to single precision."""
    casts = []
    for weight in graph.initializer:
        if weight.data_type != onnx.TensorProto.FLOAT or not weight.dims:
            continue
        name = weight.name
        half = onnx.numpy_helper.to_array(weight).astype(np.float16)
        weight.CopyFrom(onnx.numpy_helper.from_array(half, f'{name}_half'))
        casts.append(
            onnx.helper.make_node('Cast', [f'{name}_half'], [name], to=onnx.TensorProto.FLOAT)
        )
    for place, cast in enumerate(casts):  # a graph's nodes are in the order of their use
        graph.node.insert(place, cast)


def _settings(model: nn.Module, resize: ShortSideResize, with_nms: bool) -> dict:
    """What a program around the network needs to know."""
    metainfo, test_cfg = model.head.metainfo, model.test_cfg
    return dict(
        short_side=resize.short_side,
        max_long_side=resize.max_long_side,
        pad_size_divisor=model.data_preprocessor.pad_size_divisor,
        score_thr=test_cfg['score_thr'],
        nms=None if with_nms else dict(test_cfg['nms'], max_per_img=test_cfg['max_per_img']),
        keypoint_names=[metainfo['keypoint_id2name'][i] for i in range(metainfo['num_keypoints'])],
        keypoint_sigmas=[float(f'{sigma:.6g}') for sigma in metainfo['sigmas']],  # from float32
        skeleton_links=metainfo['skeleton_links'],
    )
