from .box_branch import BoxBranch
from .directpose_head import DirectPoseHead
from .heatmap_branch import HeatmapBranch
from .kpalign import KPAlign
from .plain_branch import PlainKeypointBranch
from .resnet_aa import ResNetAA
from .tta import PoseTTAModel

__all__ = [
    'BoxBranch',
    'DirectPoseHead',
    'HeatmapBranch',
    'KPAlign',
    'PlainKeypointBranch',
    'PoseTTAModel',
    'ResNetAA',
]
