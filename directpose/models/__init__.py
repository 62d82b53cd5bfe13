from .directpose_head import DirectPoseHead
from .heatmap_branch import HeatmapBranch
from .kpalign import KPAlign
from .resnet_aa import ResNetAA

__all__ = ['DirectPoseHead', 'HeatmapBranch', 'KPAlign', 'ResNetAA']
