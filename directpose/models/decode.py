"""The decoder, which turns raw maps into poses.

The head, test-time augmentation and the exported graph all use this decoder.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from mmdet.structures.bbox import distance2bbox
from mmengine.structures import InstanceData
from torch import Tensor

from .cells import Cells
from .nms import NO_POSE, nms, stable_topk, take


class Poses(NamedTuple):
    """Poses of a batch of N images, in input pixels, with R rows for each image.

    All images have the same number of rows. Rows that hold no pose have the score -1.
    """

    keypoints: Tensor
    """Shape (N, R, K, 2), x first. Keypoints may lie outside the image."""
    scores: Tensor
    """Shape (N, R). The classification score times the centerness."""
    boxes: Tensor
    """Shape (N, R, 4), as x1, y1, x2, y2, clipped to the image."""
    keypoint_scores: Tensor | None = None
    """Shape (N, R, K). The score of each keypoint, or None if the head does not rate keypoints."""
    keypoints_hidden: Tensor | None = None
    """Shape (N, R, K). The probability that a keypoint is hidden, or None as above."""

    def map(self, function: Callable[[Tensor], Tensor]) -> 'Poses':
        """Apply a function to each field that is not None."""
        return Poses(*(None if field is None else function(field) for field in self))


class PoseDecoder:
    """Turn the raw maps of the head into poses.

    The decoder handles all images of a batch at once: each of them has the same number of rows. So
    the same code runs in eager mode and in an exported graph. Locations with equal scores keep
    the order of their levels and, within a level, of their cells, row by row.

    Args:
        strides (Sequence[int]): The stride of each level in input pixels.
        test_cfg (Mapping): The settings, as in ``model.test_cfg``. Other keys are ignored.

            - ``score_thr`` (float or Tensor): The least score of a pose that is returned. This
              score is the classification score times the centerness.
            - ``cls_thr`` (float): A location is a candidate if its classification score is above
              this value, whatever its centerness. This is the paper's threshold.
            - ``nms_pre`` (int): The largest number of candidates of a level. Those with the best
              scores are taken.
            - ``nms`` (dict): ``iou_threshold`` and ``offset`` of :func:`~.nms.nms`.
            - ``max_per_img`` (int): The largest number of poses of an image.

        output_names (Sequence[str]): The names of the raw maps, in the order in which the head
            returns them: ``cls_score``, ``keypoint_pred``, ``centerness``, and then ``box_pred``
            if the head predicts boxes, or ``keypoint_logit`` if it rates keypoints. Defaults to
            the first three and ``box_pred``, which the maps need not have.

    Raises:
        ValueError: If ``test_cfg`` lacks a key.
    """

    def __init__(
        self,
        strides: Sequence[int],
        test_cfg: Mapping,
        output_names: Sequence[str] = ('cls_score', 'keypoint_pred', 'centerness', 'box_pred'),
    ) -> None:
        required = ('score_thr', 'cls_thr', 'nms_pre', 'nms', 'max_per_img')
        if missing := [key for key in required if key not in test_cfg]:
            raise ValueError(
                f'`model.test_cfg` lacks {missing}; `score_thr` is the least score of a pose that '
                'is returned, `cls_thr` the threshold of candidates on the classification alone'
            )
        self.strides = tuple(strides)
        self.output_names = tuple(output_names)
        self.score_thr = test_cfg['score_thr']
        self.cls_thr = test_cfg['cls_thr']
        self.nms_pre = test_cfg['nms_pre']
        self.nms = dict(test_cfg['nms'])
        self.max_candidates = self.nms_pre * len(self.strides)
        self.max_per_img = min(test_cfg['max_per_img'], self.max_candidates)

    def __call__(self, outputs: Sequence[Sequence[Tensor]], image_sizes: Tensor) -> Poses:
        """Decode a batch of images.

        Args:
            outputs (Sequence[Sequence[Tensor]]): What the head's ``forward`` returns. Each of
                these sequences has one tensor for each level:

                - classification logits of shape (N, 1, H, W)
                - keypoints of shape (N, 2K, H, W), relative to the location, in strides
                - centerness logits of shape (N, 1, H, W)
                - if the head predicts boxes, the distances to the left, top, right and bottom
                  side, of shape (N, 4, H, W), in strides
                - if the head rates keypoints, logits of shape (N, 2K, H, W), which alternate
                  between the keypoint's score and its being hidden

            image_sizes (Tensor): Height and width of each image without padding, of shape (N, 2),
                in input pixels.

        Returns:
            Poses: The poses, best first. R is ``max_per_img``, or ``nms_pre`` times the number of
            levels if this is smaller.
        """
        return self.suppress(self.candidates(outputs, image_sizes))

    def candidates(self, outputs: Sequence[Sequence[Tensor]], image_sizes: Tensor) -> Poses:
        """Decode the best locations of each level, before NMS.

        Args:
            outputs (Sequence[Sequence[Tensor]]): See :meth:`__call__`.
            image_sizes (Tensor): See :meth:`__call__`.

        Returns:
            Poses: See :meth:`poses`. R is the sum over the levels of ``nms_pre``, or of the number
            of cells if this is smaller.
        """
        maps = dict(zip(self.output_names, outputs))
        scores, cells = self.choose(maps.pop('cls_score'), maps.pop('centerness'))
        values = {name: cells.read(levels) for name, levels in maps.items()}
        return self.poses(scores, cells, values, image_sizes)

    def choose(
        self,
        cls_scores: Sequence[Tensor],
        centernesses: Sequence[Tensor],
        only_candidates: bool = False,
    ) -> tuple[Tensor, Cells]:
        """Choose the ``nms_pre`` best cells of each level.

        Args:
            cls_scores (Sequence[Tensor]): See :meth:`__call__`.
            centernesses (Sequence[Tensor]): See :meth:`__call__`.
            only_candidates (bool): For an export to ONNX: whether a level has only as many rows as
                the image with the most candidates needs, and one at least. Defaults to False, as
                everywhere else: a level has ``nms_pre`` rows, or one for each cell if it has fewer
                cells, whatever the scores are.

        Returns:
            tuple[Tensor, Cells]: The scores of the cells, of shape (N, R), and the cells, level by
            level and best first. Cells that are no candidates fill the rows of an image. Their
            score is -1.
        """
        cells = Cells.of(cls_scores)
        prob = cells.read(cls_scores).float()[:, 0].sigmoid()  # (N, P)
        scores = prob * cells.read(centernesses).float()[:, 0].sigmoid()
        scores = scores.where((prob > self.cls_thr) & (scores >= self.score_thr), NO_POSE)
        best, chosen = [], []
        for level in scores.split(cells.counts, dim=1):
            number: int | Tensor = self.nms_pre
            if torch.onnx.is_in_onnx_export():  # ONNX's TopK cannot take more than there are
                # One row at least: an empty array is a special case for many operators.
                found = (level >= 0).sum(dim=1).amax().clamp(min=1)
                number = found if only_candidates else torch.as_tensor(level.shape[1])
                number = number.clamp(max=self.nms_pre)
            top, index = stable_topk(level, number)
            best.append(top)
            chosen.append(index)
        return torch.cat(best, dim=1), cells.choose(chosen)

    def poses(
        self, scores: Tensor, cells: Cells, values: Mapping[str, Tensor], image_sizes: Tensor
    ) -> Poses:
        """Decode the outputs of the head at some cells.

        Args:
            scores (Tensor): The scores of the cells, of shape (N, R).
            cells (Cells): The R cells.
            values (Mapping[str, Tensor]): The outputs of the head at these cells by their names,
                of shape (N, C, R), without the scores. See :meth:`__call__` for their units.
            image_sizes (Tensor): See :meth:`__call__`.

        Returns:
            Poses: The poses of the cells, in their order. If the head predicts no boxes, the box of
            a pose is the smallest one that holds its keypoints.
        """
        values = {name: value.float() for name, value in values.items()}
        stride = torch.cat([scores.new_full((n,), s) for n, s in zip(cells.counts, self.strides)])
        points = cells.positions * stride + stride // 2  # (2, R) or (N, 2, R), in input pixels
        # (N, K, 2, R), in input pixels. Sums over long rows are much faster than over pairs.
        keypoints = values['keypoint_pred'].unflatten(1, (-1, 2)) * stride + points.unsqueeze(-3)
        if 'box_pred' in values:
            distances = (values['box_pred'] * stride).transpose(1, 2)
            boxes = distance2bbox(points.transpose(-2, -1), distances)  # (N, R, 4)
        else:
            boxes = torch.cat([keypoints.amin(dim=1), keypoints.amax(dim=1)], dim=1).transpose(1, 2)
        last = image_sizes.flip(1).to(boxes.dtype) - 1  # (N, 2): x and y of the last pixel
        limit = torch.cat([last, last], dim=1)  # (N, 4)
        boxes = torch.minimum(boxes.clamp(min=0), limit[:, None])
        poses = Poses(keypoints.permute(0, 3, 1, 2), scores, boxes)
        if 'keypoint_logit' in values:
            # Exported, splitting the channels is much faster than an index into the last axis.
            both = values['keypoint_logit']
            logits = [both[:, i::2].transpose(1, 2) for i in (0, 1)]  # (N, R, K) each
            poses = poses._replace(
                keypoint_scores=logits[0].sigmoid(), keypoints_hidden=logits[1].sigmoid()
            )
        return poses

    def suppress(self, candidates: Poses) -> Poses:
        """Keep the best of the candidates whose boxes overlap.

        Args:
            candidates (Poses): The result of :meth:`candidates`.

        Returns:
            Poses: The poses that are kept, see :meth:`__call__`.
        """
        scores, index = nms(
            candidates.boxes, candidates.scores, **self.nms, max_per_img=self.max_per_img
        )
        rows = candidates._replace(scores=None).map(lambda field: take(field, index))
        return rows._replace(scores=scores)


def to_instances(poses: Poses) -> list[InstanceData]:
    """Convert poses to mmpose's format, without the rows that hold no pose.

    A pose with a number that is not finite is left out with a warning: half precision, for one, may
    overflow.

    Args:
        poses (Poses): The poses of N images.

    Returns:
        list[InstanceData]: The n poses of each image, as NumPy arrays: ``bboxes`` (n, 4),
        ``bbox_scores`` (n, ), ``keypoints`` (n, K, 2) and ``keypoint_scores`` (n, K). If the head
        rates keypoints, there is ``keypoints_hidden`` (n, K) as well. If the head does not, the
        score of each keypoint is the score of its person.
    """
    results = []
    poses = poses.map(lambda field: field.cpu().numpy())
    finite = np.ones(poses.scores.shape, dtype=bool)  # (N, R)
    for field in poses:
        if field is not None:
            finite &= np.isfinite(field).all(axis=tuple(range(2, field.ndim)))
    found_in = ~(poses.scores < 0)  # NaN is no score, but its row is not an empty one
    if not finite[found_in].all():
        warnings.warn(
            'poses whose coordinates or scores are not finite (NaN or infinite) are left out; run '
            'the model in single precision, or train it again',
            RuntimeWarning,
            stacklevel=2,
        )
    for index, found in enumerate(found_in & finite):
        rows = [None if field is None else field[index][found] for field in poses]
        keypoints, scores, boxes, keypoint_scores, hidden = rows
        if keypoint_scores is None:
            keypoint_scores = scores[:, None].repeat(keypoints.shape[1], axis=1)  # (n, K)
        instances = InstanceData(
            bboxes=boxes, bbox_scores=scores, keypoints=keypoints, keypoint_scores=keypoint_scores
        )
        if hidden is not None:
            instances.keypoints_hidden = hidden
        results.append(instances)
    return results
