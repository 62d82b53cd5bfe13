"""The decoder, which turns raw maps into poses.

The head, test-time augmentation and the exported graph all use this decoder.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from mmdet.structures.bbox import distance2bbox
from mmengine.structures import InstanceData
from torch import Tensor

from .cells import Cells, flatten_levels
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

    The decoder handles all images of a batch at once, and all its tensors have a fixed length. So
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
        num_candidates = self.nms_pre * len(self.strides)
        self.max_per_img = min(test_cfg['max_per_img'], num_candidates)

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
            Poses: The poses, best first. R is ``max_per_img`` or the number of candidates,
            whichever is smaller.
        """
        return self.suppress(self.candidates(outputs, image_sizes))

    def candidates(self, outputs: Sequence[Sequence[Tensor]], image_sizes: Tensor) -> Poses:
        """Decode the best locations of each level, before NMS.

        Args:
            outputs (Sequence[Sequence[Tensor]]): See :meth:`__call__`.
            image_sizes (Tensor): See :meth:`__call__`.

        Returns:
            Poses: The poses of the candidates, level by level. R is ``nms_pre`` times the number
            of levels. If the head predicts no boxes, the box of a pose is the smallest one that
            holds its keypoints.
        """
        cells = Cells.of(outputs[0])
        maps = {  # (N, C, P), with the P locations of all levels
            name: flatten_levels(levels).float() for name, levels in zip(self.output_names, outputs)
        }
        prob = maps['cls_score'][:, 0].sigmoid()  # (N, P)
        scores = prob * maps['centerness'][:, 0].sigmoid()
        scores = scores.where((prob > self.cls_thr) & (scores >= self.score_thr), NO_POSE)
        stride = torch.cat([scores.new_full((n,), s) for n, s in zip(cells.counts, self.strides)])
        points = cells.positions * stride + stride // 2  # (2, P), in input pixels
        # All locations are decoded, because sums over long rows are much faster than over pairs.
        keypoints = maps['keypoint_pred'].unflatten(1, (-1, 2)) * stride + points  # (N, K, 2, P)
        if 'box_pred' in maps:
            distances = (maps['box_pred'] * stride).transpose(1, 2)
            boxes = distance2bbox(points.T, distances)  # (N, P, 4)
        else:
            boxes = torch.cat([keypoints.amin(dim=1), keypoints.amax(dim=1)], dim=1).transpose(1, 2)
        last = image_sizes.flip(1).to(boxes.dtype) - 1  # (N, 2): x and y of the last pixel
        limit = torch.cat([last, last], dim=1)  # (N, 4)
        boxes = torch.minimum(boxes.clamp(min=0), limit[:, None])
        poses = Poses(keypoints.permute(0, 3, 1, 2), scores, boxes)
        if 'keypoint_logit' in maps:
            # Exported, splitting the channels is much faster than an index into the last axis.
            logits = [maps['keypoint_logit'][:, i::2].transpose(1, 2) for i in (0, 1)]  # (N, P, K)
            poses = poses._replace(
                keypoint_scores=logits[0].sigmoid(), keypoints_hidden=logits[1].sigmoid()
            )
        scores, index = self._best_of_each_level(scores, cells.counts)  # (N, R)
        rows = poses._replace(scores=None).map(lambda field: take(field, index))
        return rows._replace(scores=scores)

    def _best_of_each_level(self, scores: Tensor, counts: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Take the ``nms_pre`` best locations of each level.

        Args:
            scores (Tensor): The scores (N, P) of all locations.
            counts (Sequence[int]): The number of locations of each level.

        Returns:
            tuple[Tensor, Tensor]: Scores and indices, of shape (N, R). A row without a pose has
            the index 0.
        """
        best, indices, start = [], [], 0
        for level, count in zip(scores.split(counts, dim=1), counts):
            # Padding gives nms_pre rows even if the level has fewer locations.
            padded = F.pad(level, (0, self.nms_pre), value=NO_POSE)
            top, index = stable_topk(padded, self.nms_pre)
            best.append(top)
            indices.append(index + start)
            start = start + count
        scores = torch.cat(best, dim=1)
        return scores, torch.cat(indices, dim=1).where(scores >= 0, 0)

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

    A pose that is not finite is left out with a warning: half precision, for one, may overflow.

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
    finite = np.isfinite(poses.keypoints).all(axis=(2, 3))  # (N, R)
    found_in = poses.scores >= 0
    if not finite[found_in].all():
        warnings.warn(
            'poses whose coordinates are not finite (NaN or infinite) are left out; run the model '
            'in single precision, or train it again',
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
