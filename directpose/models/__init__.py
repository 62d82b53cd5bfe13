from .box_branch import BoxBranch
from .box_head import DirectPoseBoxHead
from .directpose_head import DirectPoseHead
from .efficientnet_lite import EfficientNetLite0
from .heatmap_branch import HeatmapBranch
from .kpalign import KPAlign
from .merge_views import PoseTTAModel
from .oks_head import DirectPoseOKSHead
from .plain_branch import PlainKeypointBranch
from .resnet_aa import ResNetAA
from .score_head import DirectPoseScoreHead
from .scored_kpalign import ScoredKPAlign

__all__ = [
    'BoxBranch',
    'DirectPoseBoxHead',
    'DirectPoseHead',
    'DirectPoseOKSHead',
    'DirectPoseScoreHead',
    'EfficientNetLite0',
    'HeatmapBranch',
    'KPAlign',
    'PlainKeypointBranch',
    'PoseTTAModel',
    'ResNetAA',
    'ScoredKPAlign',
]
