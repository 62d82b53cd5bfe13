"""Write a trained model to an ONNX file that says itself how it is to be used."""

import json
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

from directpose.datasets.transforms import ShortSideResize
from directpose.runtime.model import METADATA_KEY

from .deploy_model import DeployModel

OPSET = 18
"""The first with GridSample is 16; the first whose Pad has axes is 18."""


def export_onnx(
    model: nn.Module, path: str | Path, resize: ShortSideResize, with_nms: bool = True
) -> None:
    """Write a model to a file of standard ONNX operators.

    Batch, height and width are dynamic; height and width are multiples of the data
    preprocessor's ``pad_size_divisor``. Inputs and outputs are those of :class:`DeployModel`.
    What surrounds the network is in the metadata, as JSON: ``short_side``, ``max_long_side``,
    ``pad_size_divisor``, ``score_thr``, ``keypoint_names``, ``skeleton_links`` and ``nms``,
    which is null where NMS is in the graph.

    Args:
        model (nn.Module): mmpose's ``BottomupPoseEstimator`` with a :class:`DirectPoseHead`, on
            the CPU. It is switched to evaluation.
        path (str | Path): The file to write.
        resize (ShortSideResize): How its test pipeline resizes a picture.
        with_nms (bool): Whether NMS is part of the graph. Defaults to True.
    """
    wrapper = DeployModel(model, with_nms)
    divisor = model.data_preprocessor.pad_size_divisor
    # Two images and at least two cells on the coarsest level: what is 1 while tracing may be
    # taken for a constant.
    side = 2 * max(*model.head.strides, divisor)
    inputs = (torch.rand(2, 3, side, side) * 255, torch.full((2, 2), side), torch.zeros(1))
    outputs = ('keypoints', 'scores', 'boxes')
    axes = dict(images={0: 'batch', 2: 'height', 3: 'width'}, image_sizes={0: 'batch'})
    with warnings.catch_warnings(), torch.no_grad():
        # sizes that really are constant, such as a tensor's number of channels
        warnings.simplefilter('ignore')
        # By tracing: torch.export (torch 2.11) takes minutes to reason about the levels' sizes.
        torch.onnx.export(
            wrapper,
            inputs,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=['images', 'image_sizes', 'score_thr'],
            output_names=list(outputs),
            dynamic_axes=axes | {name: {0: 'batch'} for name in outputs},
        )
    written = onnx.load(path)
    onnx.helper.set_model_props(
        written, {METADATA_KEY: json.dumps(_settings(model, resize, with_nms))}
    )
    onnx.checker.check_model(written, full_check=True)
    onnx.save(written, path)


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
        skeleton_links=metainfo['skeleton_links'],
    )
