"""The model as one graph of standard operators: pixels in, arrays of fixed length out."""

import torch
import torch.nn.functional as F
from mmdet.structures.bbox import distance2bbox
from torch import Tensor, nn
from torchvision.ops import nms

NOBODY = -1.0
"""The score of the rows that only fill an array up."""


class DeployModel(nn.Module):
    """A trained estimator for export; called in eager mode it gives what the exported file gives.

    It reuses the estimator's layers and says anew what an exported graph needs otherwise: arrays
    of fixed length in place of a number of people that depends on the image, all images of a
    batch at once, and the data preprocessor as operators of the graph.

    Args:
        model (nn.Module): mmpose's ``BottomupPoseEstimator`` with a :class:`DirectPoseHead`,
            not prepared by :func:`~directpose.apis.optimize_for_inference`. It is switched to
            evaluation.
        with_nms (bool): Whether NMS is part of the graph. Without it the outputs are its
            candidates. Defaults to True.
    """

    def __init__(self, model: nn.Module, with_nms: bool = True) -> None:
        super().__init__()
        self.model = model
        self.with_nms = with_nms
        self.eval()

    def forward(
        self, images: Tensor, image_sizes: Tensor, score_thr: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Poses of a batch of images.

        Args:
            images (Tensor): (N, 3, H, W) float, BGR from 0 to 255, each image at the top left.
                H and W are multiples of the data preprocessor's divisor. What is outside of an
                image does not matter.
            image_sizes (Tensor): (N, 2) int64, height and width of each image in input pixels,
                without the padding.
            score_thr (Tensor): (1, ) float, as ``score_thr`` of :meth:`DirectPoseHead.predict`.

        Returns:
            Tuple[Tensor, Tensor, Tensor]: In input pixels, with R rows an image:

            - keypoints (N, R, K, 2), x first
            - scores (N, R); the rows that only fill up have -1
            - boxes (N, R, 4) as x1, y1, x2, y2

            Without NMS R is ``nms_pre`` times the number of levels. With it R is
            ``max_per_img``, or that where it is less, and the poses come first, best first.
        """
        maps = self.model.head(self.model.extract_feat(self._preprocess(images, image_sizes)))
        keypoints, scores, boxes = self._candidates(maps, image_sizes, score_thr)
        if not self.with_nms:
            return keypoints, scores, boxes
        scores, index = self._suppress(boxes, scores, width=images.shape[3])
        return _take(keypoints, index), scores, _take(boxes, index)

    def _preprocess(self, images: Tensor, image_sizes: Tensor) -> Tensor:
        """What the model's data preprocessor does, with the padding told by ``image_sizes``."""
        preprocessor = self.model.data_preprocessor
        height, width = images.shape[2:]
        rows = torch.arange(height, device=images.device) < image_sizes[:, :1]  # (N, H)
        columns = torch.arange(width, device=images.device) < image_sizes[:, 1:]  # (N, W)
        inside = rows[:, None, :, None] & columns[:, None, None]  # (N, 1, H, W)
        if preprocessor._channel_conversion:
            images = images.flip(1)
        if preprocessor._enable_normalize:
            images = (images - preprocessor.mean) / preprocessor.std
        # padded after the mean is subtracted: the padding is not black
        return images.where(inside, float(preprocessor.pad_value))

    def _candidates(
        self, maps: tuple[list[Tensor], ...], image_sizes: Tensor, score_thr: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The best ``nms_pre`` locations of each level, of all levels together.

        Returns:
            Tuple[Tensor, Tensor, Tensor]: Keypoints (N, R, K, 2), scores (N, R) and boxes
            (N, R, 4) in input pixels.
        """
        head = self.model.head
        cls_scores, keypoint_preds, centernesses, *box_preds = maps
        selected = [self._select(cls, ctr, score_thr) for cls, ctr in zip(cls_scores, centernesses)]
        scores = torch.cat([score for score, _ in selected], dim=1)  # (N, R)

        def gather(preds: list[Tensor]) -> Tensor:
            return torch.cat(
                [
                    _take(pred.flatten(2).transpose(1, 2), index) * stride
                    for pred, (_, index), stride in zip(preds, selected, head.strides)
                ],
                dim=1,
            )  # (N, R, C), input pixels

        points = torch.cat(
            [p[index] for p, (_, index) in zip(head.points(cls_scores), selected)], dim=1
        )  # (N, R, 2)
        keypoints = points[:, :, None] + gather(keypoint_preds).view(
            *points.shape[:2], -1, 2
        )  # (N, R, K, 2)
        if box_preds:
            boxes = distance2bbox(points, gather(box_preds[0]))  # (N, R, 4)
        else:
            boxes = torch.cat([keypoints.amin(dim=2), keypoints.amax(dim=2)], dim=2)
        limit = image_sizes[:, [1, 0, 1, 0]].to(boxes.dtype) - 1  # (N, 4)
        return keypoints, scores, torch.minimum(boxes.clamp(min=0), limit[:, None])

    def _select(
        self, cls_score: Tensor, centerness: Tensor, score_thr: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Scores (N, nms_pre) of a level's best locations, and which of them these are."""
        nms_pre = self.model.test_cfg['nms_pre']
        prob = cls_score.flatten(1).sigmoid()  # (N, H * W)
        scores = prob * centerness.flatten(1).sigmoid()
        scores = scores.where(prob > score_thr, NOBODY)
        # there are nms_pre of them then, however small the image
        scores, index = F.pad(scores, (0, nms_pre), value=NOBODY).topk(nms_pre)
        return scores, index.where(scores >= 0, 0)

    def _suppress(self, boxes: Tensor, scores: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """NMS: scores (N, R) of the best that it leaves, and which of the candidates these are.

        One NMS serves the batch: its images lie side by side, so that no boxes of two images
        overlap (as classes do not in torchvision's ``batched_nms``).
        """
        nms_cfg = self.model.test_cfg['nms']
        # from the settings: a size of `scores` would be a part of the traced graph
        num_candidates = self.model.test_cfg['nms_pre'] * len(self.model.head.strides)
        num_rows = min(self.model.test_cfg['max_per_img'], num_candidates)
        # Where a pixel counts as wide (offset 1) a box ends behind its last pixel; this NMS
        # knows boxes without width only.
        corners = boxes + boxes.new_tensor([0, 0, nms_cfg['offset'], nms_cfg['offset']])
        left = torch.arange(boxes.shape[0], device=boxes.device) * (width + 1)  # (N, )
        shift = F.pad(left[:, None], (0, 1)).tile(2).to(boxes.dtype)  # (N, 4): left, 0, left, 0
        corners = (corners + shift[:, None]).flatten(0, 1)  # (N * R, 4)
        flat = scores.flatten()  # (N * R, )
        candidates = (flat >= 0).nonzero()[:, 0]
        kept = candidates[nms(corners[candidates], flat[candidates], nms_cfg['iou_threshold'])]
        left_over = torch.full_like(flat, NOBODY).scatter(0, kept, flat[kept])
        return left_over.view_as(scores).topk(num_rows)


def _take(rows: Tensor, index: Tensor) -> Tensor:
    """Rows (N, R, ...) that an index (N, r) names, (N, r, ...)."""
    flat = rows.flatten(2)  # (N, R, C)
    index = index[:, :, None].expand(-1, -1, flat.shape[2])  # (N, r, C)
    return flat.gather(1, index).view(*index.shape[:2], *rows.shape[2:])
