"""The model as one graph of standard operators: pixels in, arrays of fixed length out."""

import torch
from torch import Tensor, nn

from directpose.models.decode import PoseDecoder, Poses


class DeployModel(nn.Module):
    """A trained estimator for export; called in eager mode it gives what the exported file gives.

    It runs the estimator's layers and its decoder, and does the work of the data preprocessor
    with operators that can be a part of a graph.

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

    def forward(self, images: Tensor, image_sizes: Tensor, score_thr: Tensor) -> Poses:
        """Poses of a batch of images.

        Args:
            images (Tensor): (N, 3, H, W) float, BGR from 0 to 255, each image at the top left.
                H and W are multiples of the data preprocessor's divisor. What is outside of an
                image does not matter.
            image_sizes (Tensor): (N, 2) int64, height and width of each image in input pixels,
                without the padding.
            score_thr (Tensor): (1, ) float, the least score of a pose that is returned.

        Returns:
            Poses: In input pixels, with R rows an image. The rows that hold no pose have the
            score -1.

            Without NMS R is ``nms_pre`` times the number of levels. With it R is
            ``max_per_img``, or that where it is less, and the poses come first, best first.
        """
        decoder = PoseDecoder(
            self.model.head.strides, dict(self.model.test_cfg, score_thr=score_thr)
        )
        feats = self.model.extract_feat(self._preprocess(images, image_sizes))
        poses = decoder.candidates(self.model.head(feats), image_sizes)
        return decoder.suppress(poses) if self.with_nms else poses

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
