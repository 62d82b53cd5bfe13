from .comparison_hook import PoseComparisonHook
from .local_visualizer import DirectPoseVisualizer

__all__ = ['DirectPoseVisualizer', 'PoseComparisonHook']
