"""The auxiliary heatmap branch, which helps in training alone (paper section 3.3)."""

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from torch import Tensor, nn

from .targets import heatmap_labels


@MODELS.register_module()
class HeatmapBranch(BaseModule):
    """Classify the cells of the finest level by the type of keypoint that lies in them.

    The branch has two convolutions with batch norm and ReLU, and a third one that outputs a logit
    for each keypoint. Only the loss uses the output. At test time the branch is not run.

    Args:
        in_channels (int): Number of channels of the finest level's features.
        num_keypoints (int): Number of keypoints K.
        feat_channels (int): Number of channels of the first two convolutions. Defaults to 128.
        norm_cfg (dict): Config of the norm layers. Defaults to batch norm.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        feat_channels: int = 128,
        norm_cfg: dict = dict(type='BN'),
    ) -> None:
        super().__init__(
            init_cfg=dict(
                type='Normal',
                layer='Conv2d',
                std=0.01,
                override=dict(type='Normal', name='conv_heatmap', std=0.01, bias_prob=0.01),
            )
        )
        self.convs = nn.Sequential(
            ConvModule(in_channels, feat_channels, 3, padding=1, norm_cfg=norm_cfg),
            ConvModule(feat_channels, feat_channels, 3, padding=1, norm_cfg=norm_cfg),
        )
        self.conv_heatmap = nn.Conv2d(feat_channels, num_keypoints, 3, padding=1)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Compute the keypoint logits of the finest level.

        Args:
            feats (Sequence[Tensor]): For each level, finest first, features of shape
                (N, in_channels, H, W). Only the first ones are used.

        Returns:
            Tensor: Logits of shape (N, K, H, W).
        """
        return self.conv_heatmap(self.convs(feats[0]))

    def loss(
        self,
        feats: Sequence[Tensor],
        batch_gt_instances: Sequence[InstanceData],
        stride: int,
        criterion: nn.Module,
    ) -> Tensor:
        """Compute the loss of the keypoint logits.

        Args:
            feats (Sequence[Tensor]): See :meth:`forward`.
            batch_gt_instances (Sequence[InstanceData]): The people of each image, see
                :meth:`DirectPoseHead.loss`.
            stride (int): The stride of the finest level in input pixels.
            criterion (nn.Module): A focal loss of mmdet.

        Returns:
            Tensor: The loss, a scalar.
        """
        logits = self(feats).float()
        num_keypoints = logits.shape[1]
        labels = heatmap_labels(
            batch_gt_instances, num_keypoints, logits.shape[-2:], stride
        )  # (N, H, W)
        kinds = torch.arange(num_keypoints, device=labels.device)
        return criterion(
            logits.permute(0, 2, 3, 1).reshape(-1, num_keypoints),  # (N * H * W, K)
            labels.flatten()[:, None] == kinds,  # (N * H * W, K), one-hot
            avg_factor=(labels < num_keypoints).sum().clamp(min=1),
        )
