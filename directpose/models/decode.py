"""From raw maps to poses: the only decoder, for the head, for views merged and for export."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmdet.structures.bbox import distance2bbox
from mmengine.structures import InstanceData
from torch import Tensor

from .nms import NO_POSE, nms, stable_topk, take


class Poses(NamedTuple):
    """Poses of a batch of N images in input pixels, R rows an image.

    A row that holds no pose has the score -1 and fills the arrays up to their fixed length.
    """

    keypoints: Tensor
    """(N, R, K, 2), x first; keypoints may lie outside of the image."""
    scores: Tensor
    """(N, R), classification times centerness."""
    boxes: Tensor
    """(N, R, 4) as x1, y1, x2, y2, clipped to the image."""
    keypoint_scores: Tensor | None = None
    """(N, R, K), each keypoint's own score; None where the head has none."""
    keypoints_hidden: Tensor | None = None
    """(N, R, K), the probability that a keypoint is hidden; None where the head does not tell."""

    def map(self, function: Callable[[Tensor], Tensor]) -> 'Poses':
        """Apply a function to each field that is there."""
        return Poses(*(None if field is None else function(field) for field in self))


class PoseDecoder:
    """Turn the raw maps of the head into poses.

    Everything is a tensor of fixed length and all images of a batch are decoded at once, so the
    same code runs in eager mode and in an exported graph. Equal scores keep the order of their
    levels and, within a level, of their cells, row by row.

    Args:
        strides (Sequence[int]): The stride of each level in input pixels.
        test_cfg (Mapping): The settings, as in ``model.test_cfg``; other keys are ignored:

            - ``score_thr`` (float or Tensor): the least score of a pose, which is classification
              times centerness, the score that is returned.
            - ``cls_thr`` (float): a location is a candidate if its classification score is
              larger; the paper's threshold. The centerness does not count here.
            - ``nms_pre`` (int): the most candidates of a level, by score.
            - ``nms`` (dict): ``iou_threshold`` and ``offset`` of :func:`~.nms.nms`.
            - ``max_per_img`` (int): the most poses of an image.

        output_names (Sequence[str]): What the raw maps are, in their order: ``cls_score``,
            ``keypoint_pred``, ``centerness``, and ``box_pred`` or ``keypoint_logit`` of a head
            that predicts boxes or rates keypoints. Defaults to the first three and ``box_pred``,
            which may be left out of the maps.

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
        """Poses of a batch of images, best first.

        Args:
            outputs (Sequence[Sequence[Tensor]]): What the head's ``forward`` returns, a level
                each: classification logits (N, 1, H, W), keypoints (N, 2K, H, W) in strides
                from the location, centerness logits (N, 1, H, W); of a head that predicts
                boxes, distances to the left, top, right and bottom (N, 4, H, W) in strides; of
                one that rates keypoints, logits (N, 2K, H, W) of their score and of being
                hidden.
            image_sizes (Tensor): (N, 2), height and width of each image in input pixels,
                without the padding.

        Returns:
            Poses: In input pixels; R is ``max_per_img``, or the number of candidates where that
            is less.
        """
        return self.suppress(self.candidates(outputs, image_sizes))

    def candidates(self, outputs: Sequence[Sequence[Tensor]], image_sizes: Tensor) -> Poses:
        """The best locations of each level as poses, before NMS.

        Args:
            outputs (Sequence[Sequence[Tensor]]): See :meth:`__call__`.
            image_sizes (Tensor): (N, 2), height and width in input pixels.

        Returns:
            Poses: In input pixels, level by level; R is ``nms_pre`` times the number of levels.
            Without predicted boxes, a box is the extremes of the pose's keypoints.
        """
        levels = [
            self._level(stride, **dict(zip(self.output_names, maps)))
            for stride, *maps in zip(self.strides, *outputs)
        ]
        poses = Poses(
            *(None if parts[0] is None else torch.cat(parts, dim=1) for parts in zip(*levels))
        )
        last = image_sizes.flip(1).to(poses.boxes.dtype) - 1  # (N, 2): x and y of the last pixel
        limit = torch.cat([last, last], dim=1)  # (N, 4)
        return poses._replace(boxes=torch.minimum(poses.boxes.clamp(min=0), limit[:, None]))

    def _level(
        self,
        stride: int,
        cls_score: Tensor,
        keypoint_pred: Tensor,
        centerness: Tensor,
        box_pred: Tensor | None = None,
        keypoint_logit: Tensor | None = None,
    ) -> Poses:
        """The ``nms_pre`` best locations of a level, with boxes that are not clipped yet."""
        prob = cls_score.float().flatten(1).sigmoid()  # (N, H * W)
        scores = prob * centerness.float().flatten(1).sigmoid()
        scores = scores.where((prob > self.cls_thr) & (scores >= self.score_thr), NO_POSE)
        # however small the level is, there are nms_pre rows
        scores, index = stable_topk(F.pad(scores, (0, self.nms_pre), value=NO_POSE), self.nms_pre)
        index = index.where(scores >= 0, 0)  # (N, nms_pre)

        def gather(maps: Tensor) -> Tensor:
            """The values of all cells (N, C, H, W) at the best ones, (N, nms_pre, C)."""
            return take(maps.flatten(2).transpose(1, 2), index).float()

        width = cls_score.shape[3]
        cells = torch.stack([index % width, index // width], dim=2)  # (N, nms_pre, 2): x, y
        points = (cells * stride + stride // 2).float()
        keypoints = points[:, :, None] + (gather(keypoint_pred) * stride).unflatten(2, (-1, 2))
        if box_pred is None:
            boxes = torch.cat([keypoints.amin(dim=2), keypoints.amax(dim=2)], dim=2)
        else:
            boxes = distance2bbox(points, gather(box_pred) * stride)
        if keypoint_logit is None:
            return Poses(keypoints, scores, boxes)
        ratings = gather(keypoint_logit).sigmoid().unflatten(2, (-1, 2))  # (N, nms_pre, K, 2)
        return Poses(keypoints, scores, boxes, ratings[..., 0], ratings[..., 1])

    def suppress(self, candidates: Poses) -> Poses:
        """Keep the best of the candidates whose boxes overlap.

        Args:
            candidates (Poses): What :meth:`candidates` returns.

        Returns:
            Poses: Best first; R as of :meth:`__call__`.
        """
        scores, index = nms(
            candidates.boxes, candidates.scores, **self.nms, max_per_img=self.max_per_img
        )
        rows = candidates._replace(scores=None).map(lambda field: take(field, index))
        return rows._replace(scores=scores)


def to_instances(poses: Poses) -> list[InstanceData]:
    """Poses in mmpose's form, without the rows that hold none.

    Args:
        poses (Poses): Of N images.

    Returns:
        list[InstanceData]: For each image, as numpy arrays: ``bboxes`` (n, 4), ``bbox_scores``
        (n, ), ``keypoints`` (n, K, 2) and ``keypoint_scores`` (n, K). Where the head rates
        keypoints, these are their own and there is ``keypoints_hidden`` (n, K) too; else each
        is the score of its person.
    """
    results = []
    poses = poses.map(lambda field: field.cpu().numpy())
    for index, found in enumerate(poses.scores >= 0):
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
