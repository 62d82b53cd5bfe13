"""Compare an exported file with the model that it was made of."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from mmpose.apis import inference_bottomup
from mmpose.structures import PoseDataSample
from torch import Tensor, nn

from directpose.datasets.transforms import ShortSideResize
from directpose.models import DirectPoseHead
from directpose.models.decode import Poses
from directpose.runtime import DirectPose

from .deploy_model import DeployModel
from .export import export_onnx, named_maps

TOLERANCE = 1e-4
"""The largest difference that counts as rounding: of scores, and of positions divided by the longer
side of the picture."""

_LEAST_SCORE = 0.1
"""The score threshold of the comparison at chosen cells, whose scores are above 0.4."""

_LOGITS = ('cls_score', 'centerness', 'keypoint_rating')
"""The raw maps that become scores. All others are lengths in strides."""


class Difference(NamedTuple):
    """How much a file differs from its model on one picture."""

    size: tuple[int, int]
    """Width and height of the picture in pixels."""
    scores: float
    """The largest difference of a score, at any location of any level."""
    positions: float
    """The largest difference of a keypoint or box, at any location, over the longer side of the
    picture, or over the position itself where that lies further outside."""
    people: int
    """How many people model and file find at the threshold of the config."""
    poses: float
    """The largest difference between the poses of model and file, of scores or positions as above.
    The tenth of the people with the largest differences is left out, or another part where
    :func:`verify_onnx` was told so."""


def export_verified(
    model: nn.Module,
    path: str | Path,
    resize: ShortSideResize,
    pictures: Sequence[np.ndarray],
    with_nms: bool = True,
    half_weights: bool = False,
) -> list[Difference]:
    """Write a model to an ONNX file and compare the file with the model.

    The file is written into a temporary folder beside its place, and moved there once the
    comparison has found no more than rounding. Otherwise an older file stays as it was.

    Args:
        model (nn.Module): See :func:`~.export.export_onnx`.
        path (str | Path): See :func:`~.export.export_onnx`.
        resize (ShortSideResize): See :func:`~.export.export_onnx`.
        pictures (Sequence[np.ndarray]): See :func:`verify_onnx`.
        with_nms (bool): See :func:`~.export.export_onnx`. Defaults to True.
        half_weights (bool): See :func:`~.export.export_onnx`. Defaults to False.

    Returns:
        list[Difference]: One for each picture.

    Raises:
        ValueError: If the file differs from the model.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        unchecked = Path(folder, 'unchecked.onnx')
        export_onnx(model, unchecked, resize, with_nms, half_weights)
        differences = [verify_onnx(model, unchecked, picture) for picture in pictures]
        os.replace(unchecked, path)
    return differences


def verify_onnx(
    model: nn.Module,
    path: str | Path,
    picture: np.ndarray,
    tolerance: float = TOLERANCE,
    missing: float = 0.1,
) -> Difference:
    """Compare a file with its model on a picture.

    Three things must be equal up to rounding:

    - the raw maps of the head at every location, which the graph computes before it chooses the
      locations of which it makes poses;
    - the poses that the graph makes of its own maps at a few cells of each level, with those that
      the model's decoder makes of the same maps. The classification is replaced for this, so that
      the cells are the same whatever the model finds in the picture;
    - the poses that :class:`~directpose.runtime.DirectPose` and the model find in the picture, at
      the threshold of the config. Of these a part may differ: rounding decides about a person
      whose overlap with another is almost the threshold of NMS.

    Args:
        model (nn.Module): The model, on the CPU, not prepared for speed.
        path (str | Path): A file that :func:`~.export.export_onnx` wrote.
        picture (np.ndarray): (H, W, 3) uint8, BGR. The first two comparisons take the picture as
            it is; the size that the test pipeline would resize to is the natural one.
        tolerance (float): The largest difference that counts as rounding. Defaults to
            ``TOLERANCE``, which is for single precision.
        missing (float): The part of the people in the picture that may differ. Defaults to 0.1. In
            a file of single precision no pose that is decoded from the same maps may differ.

    Returns:
        Difference: What rounding did.

    Raises:
        ValueError: If something differs by more than ``tolerance``.
    """
    height, width = picture.shape[:2]
    name = f'a picture of {width} x {height} pixels'
    graph = _Graph(model, path, picture)
    scores, positions = _compare_maps(model.head, graph.model_maps, graph.maps, graph.side)
    _demand(scores, f'the scores of {name}', tolerance)
    _demand(positions, f'the positions in {name}', tolerance)
    decoded, written = graph.decode(), graph.poses()
    exact = tolerance <= TOLERANCE
    _, difference = compare_poses(decoded, written, graph.side, 0.0 if exact else missing)
    _demand(difference, f'poses decoded from the same maps of {name}', tolerance)

    found = inference_bottomup(model, picture)[0].pred_instances
    expected = Poses(found.keypoints, found.bbox_scores, found.bboxes)
    if 'keypoints_hidden' in found:
        expected = expected._replace(
            keypoint_scores=found.keypoint_scores, keypoints_hidden=found.keypoints_hidden
        )
    # Three at once: the export traces two, and must not take this number for a constant.
    try:
        got = DirectPose(path).predict([picture] * 3)[-1]
    except Exception as error:  # the errors of ONNX Runtime have no other class in common
        raise ValueError(f'the file cannot run three times {name} at once: {error}') from error
    people, poses = compare_poses(expected, got, graph.side, missing)
    _demand(poses, f'the poses found in {name}', tolerance)
    return Difference((width, height), scores, positions, people, poses)


class _Graph:
    """The graph of a file, with its raw maps as outputs, and a model's maps of the same input."""

    def __init__(self, model: nn.Module, path: str | Path, picture: np.ndarray) -> None:
        self._model = model
        height, width = picture.shape[:2]
        self.side = max(height, width)
        divisor = model.data_preprocessor.pad_size_divisor
        padded = [-(-side // divisor) * divisor for side in (height, width)]
        images = np.zeros((1, 3, *padded), dtype=np.float32)
        images[0, :, :height, :width] = picture.transpose(2, 0, 1)
        self._inputs = dict(
            images=images,
            image_sizes=np.array([[height, width]], dtype=np.int64),
            score_thr=np.array([_LEAST_SCORE], dtype=np.float32),
        )
        with torch.no_grad():
            pixels = torch.from_numpy(picture.transpose(2, 0, 1).copy())
            batch = dict(inputs=[pixels], data_samples=[PoseDataSample()])
            batch = model.data_preprocessor(batch)
            self.model_maps = model.head.encode(model.extract_feat(batch['inputs']))
        self._graph = onnx.load(path)
        self._fields = [output.name for output in self._graph.graph.output]
        names = list(named_maps(model.head, self.model_maps))
        self._graph.graph.output.extend(map(onnx.helper.make_empty_tensor_value_info, names))
        maps = map(torch.from_numpy, _run(self._graph, names, self._inputs))
        self.maps = {
            name: list(islice(maps, len(levels))) for name, levels in self.model_maps.items()
        }
        self._chosen = dict(
            cls_score=[_choose_cells(*item) for item in enumerate(self.maps['cls_score'])],
            centerness=[torch.zeros_like(level) for level in self.maps['centerness']],
        )

    def poses(self) -> Poses:
        """The poses that the graph makes at the chosen cells, in input pixels."""
        given = {
            name: level.numpy()
            for name, level in named_maps(self._model.head, self._chosen).items()
        }
        graph = onnx.ModelProto()
        graph.CopyFrom(self._graph)
        for node in graph.graph.node:
            node.input[:] = [f'{name}_given' if name in given else name for name in node.input]
        for name, level in given.items():
            kind = onnx.helper.np_dtype_to_tensor_dtype(level.dtype)
            graph.graph.input.append(
                onnx.helper.make_tensor_value_info(f'{name}_given', kind, level.shape)
            )
        inputs = dict(self._inputs, **{f'{name}_given': level for name, level in given.items()})
        outputs = _run(graph, self._fields, inputs)
        return _without_filling(Poses(**dict(zip(self._fields, outputs))))

    def decode(self) -> Poses:
        """The poses that the model's decoder makes of the graph's maps at the chosen cells."""
        with_nms = any(node.op_type == 'NonMaxSuppression' for node in self._graph.graph.node)
        sizes, score_thr = (
            torch.from_numpy(self._inputs[name]) for name in ('image_sizes', 'score_thr')
        )
        with torch.no_grad():
            poses = DeployModel(self._model, with_nms).decode(
                dict(self.maps, **self._chosen), sizes, score_thr
            )
        return _without_filling(poses.map(Tensor.numpy))


def _run(
    model: onnx.ModelProto, names: list[str], inputs: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """The outputs of a model."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=['CPUExecutionProvider']
    )
    return session.run(names, dict(inputs))


def _choose_cells(index: int, level: Tensor) -> Tensor:
    """Classification logits of a level, of shape (1, 1, H, W), with up to six people at random.

    All scores differ, so that there is one right order.
    """
    logits = torch.full_like(level, -20)
    generator = torch.Generator().manual_seed(index)
    cells = torch.randperm(level.numel(), generator=generator)[:6]
    logits.view(-1)[cells] = (torch.linspace(4, 2, 6)[: len(cells)] + 0.06 * index).to(level)
    return logits


def _without_filling(poses: Poses) -> Poses:
    """Poses of the only image, without the rows that hold none."""
    found = poses.scores[0] >= 0
    return poses.map(lambda field: field[0][found])


def _compare_maps(
    head: DirectPoseHead,
    expected: Mapping[str, Sequence[Tensor]],
    got: Mapping[str, Sequence[Tensor]],
    side: int,
) -> tuple[float, float]:
    """The largest differences of scores, and of positions relative to the picture."""
    scores, positions = [], []
    for name, levels in expected.items():
        for stride, a, b in zip(head.strides, levels, got[name]):
            if name in _LOGITS:
                scores.append((a.sigmoid() - b.sigmoid()).abs().max())
            else:
                positions.append(_relative(a * stride, b * stride, side))
    return torch.stack(scores).max().item(), torch.stack(positions).max().item()


def _relative(a: Tensor, b: Tensor, side: int) -> Tensor:
    """The largest difference over the picture's side, or over the position where that is larger.

    fp32 has 24 bits: a position far outside is known less exactly than one in the picture.
    """
    return ((a - b).abs() / a.abs().clamp(min=side)).max()


def compare_poses(
    expected: Poses, got: Poses, side: int, missing: float = 0.0
) -> tuple[int, float]:
    """Compare the poses that two forms of a model find in one picture.

    Each pose is compared with the nearest one: rounding may change the order of people whose
    scores are almost equal. Where an overlap is almost the threshold of NMS, rounding decides
    about a person; this is why a part ``missing`` of the people may differ.

    Args:
        expected (Poses): The n people of one form, as arrays.
        got (Poses): Those of the other form.
        side (int): The longer side of the picture in pixels.
        missing (float): The part of the people that is left out, those with the largest
            differences. Defaults to 0.

    Returns:
        tuple: n, and the largest difference of a score, or of a position over the side. The
        difference is infinite if people are missing, or if only one of the two rates keypoints.
    """
    people = len(expected.scores)
    allowed = int(missing * people)
    if abs(people - len(got.scores)) > allowed:
        return people, float('inf')
    if (expected.keypoints_hidden is None) != (got.keypoints_hidden is None):
        return people, float('inf')
    if people == 0:
        return 0, 0.0
    rows, others = (
        torch.from_numpy(
            np.concatenate([p.keypoints.reshape(len(p.scores), -1), p.boxes], axis=1)
        ).double()
        for p in (expected, got)
    )
    scale = rows.abs().clamp(min=side)[:, None]
    difference = ((rows[:, None] - others) / scale).abs().amax(dim=2)  # (people, people found)
    scores = torch.from_numpy(expected.scores)[:, None] - torch.from_numpy(got.scores)
    difference = torch.maximum(difference, scores.abs())
    if expected.keypoints_hidden is not None:
        ratings, others = (
            torch.from_numpy(np.concatenate([p.keypoint_scores, p.keypoints_hidden], axis=1))
            for p in (expected, got)
        )
        difference = torch.maximum(difference, (ratings[:, None] - others).abs().amax(dim=2))
    nearest = difference.min(dim=1)
    best = nearest.values.argsort()[: people - allowed]  # NaN is sorted last
    if len(nearest.indices[best].unique()) < len(best):
        return people, float('inf')
    return people, nearest.values[best].max().item()


def _demand(difference: float, what: str, tolerance: float) -> None:
    if not difference <= tolerance:  # NaN is not
        raise ValueError(
            f'{what} differ by {difference:.1e} of the picture or of a score, more than '
            f'{tolerance:.0e}'
        )
