"""The auxiliary heatmaps: they only regularise the training (paper section 3.3)."""

from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class HeatmapBranch(BaseModule):
    """Classifies the cells of the finest level by the keypoint that lies in them.

    Two convolutions with BN and ReLU, then one to a logit a keypoint. Its output is used by the
    loss alone, never at test.

    Args:
        in_channels (int): Channels of the finest level's features.
        num_keypoints (int): K.
        feat_channels (int): Channels of the convolutions. Defaults to 128.
        norm_cfg (dict): Their norm layers. Defaults to BN.
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
        """Compute keypoint logits (N, K, H, W) from the finest of the given feature maps.

        Args:
            feats (Sequence[Tensor]): (N, C, H, W) a level, finest first.

        Returns:
            Tensor: (N, K, H, W).
        """
        return self.conv_heatmap(self.convs(feats[0]))
