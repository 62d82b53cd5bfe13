"""The model as one graph of standard operators: from pixels to arrays of fixed length."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from directpose.models.decode import Poses
from directpose.models.nms import NO_POSE


class DeployModel(nn.Module):
    """A trained estimator for export. In eager mode it returns the same as the exported file.

    The module runs the estimator's layers and its decoder. It also does the work of the data
    preprocessor, with operators that can be a part of a graph.

    Args:
        model (nn.Module): mmpose's ``BottomupPoseEstimator`` with a :class:`DirectPoseHead`,
            not prepared by :func:`~directpose.apis.optimize_for_inference`. It is switched to
            evaluation.
        with_nms (bool): Whether NMS is part of the graph. If not, the outputs are the candidates
            of NMS. Defaults to True.
    """

    def __init__(self, model: nn.Module, with_nms: bool = True) -> None:
        super().__init__()
        self.model = model
        self.with_nms = with_nms
        self.eval()

    def forward(self, images: Tensor, image_sizes: Tensor, score_thr: Tensor) -> tuple[Tensor, ...]:
        """Poses of a batch of images.

        Args:
            images (Tensor): (N, 3, H, W) float, BGR from 0 to 255, each image at the top left.
                H and W are multiples of the data preprocessor's divisor. What is outside of an
                image does not matter.
            image_sizes (Tensor): (N, 2) int64, height and width of each image in input pixels,
                without the padding.
            score_thr (Tensor): (1, ) float, the least score of a pose that is returned.

        Returns:
            tuple[Tensor, ...]: The fields of :class:`~directpose.models.decode.Poses` that the
            head predicts, in input pixels, with R rows an image. The rows that hold no pose have
            the score -1.

            Without NMS, R is ``nms_pre`` times the number of levels. With NMS, R is
            ``max_per_img``, or that number if it is smaller, and the poses come first, best first.
        """
        poses = self.decode(self.maps(images, image_sizes), image_sizes, score_thr)
        return tuple(field for field in poses if field is not None)

    def maps(self, images: Tensor, image_sizes: Tensor) -> dict[str, list[Tensor]]:
        """The raw maps of the head, as :meth:`DirectPoseHead.encode` returns them.

        Args:
            images (Tensor): (N, 3, H, W), see :meth:`forward`.
            image_sizes (Tensor): (N, 2), see :meth:`forward`.

        Returns:
            dict[str, list[Tensor]]: By their names, the maps of each level that has them.
        """
        feats = self.model.extract_feat(self._preprocess(images, image_sizes))
        return self.model.head.encode(feats)

    def decode(
        self, maps: Mapping[str, Sequence[Tensor]], image_sizes: Tensor, score_thr: Tensor
    ) -> Poses:
        """Poses of raw maps, or their candidates where NMS is not a part of the graph.

        Keypoints are sampled at the best cells alone, which is less work than at all of them.

        Args:
            maps (Mapping[str, Sequence[Tensor]]): What :meth:`maps` returns.
            image_sizes (Tensor): (N, 2), see :meth:`forward`.
            score_thr (Tensor): (1, ), see :meth:`forward`.

        Returns:
            Poses: See :meth:`forward`.
        """
        head = self.model.head
        decoder = head.decoder(dict(self.model.test_cfg, score_thr=score_thr))
        # Without NMS no shape in the graph depends on the scores: some engines need this.
        scores, cells = decoder.choose(maps['cls_score'], maps['centerness'], self.with_nms)
        poses = decoder.poses(scores, cells, head.predict_at(maps, cells), image_sizes)
        if self.with_nms:
            return decoder.suppress(poses)
        filling = (0, decoder.max_candidates - scores.shape[1])
        return poses.map(
            lambda field: F.pad(field.transpose(1, -1), filling, value=NO_POSE).transpose(1, -1)
        )

    def _preprocess(self, images: Tensor, image_sizes: Tensor) -> Tensor:
        """Convert, normalise and pad as the model's data preprocessor does.

        Everything outside of ``image_sizes`` is padding.
        """
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
