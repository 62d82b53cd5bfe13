"""Run an exported model with numpy, Pillow and ONNX Runtime, without torch."""

from .model import DirectPose
from .poses import Poses, coco_file
from .tracking import PoseTracker

__all__ = ['DirectPose', 'PoseTracker', 'Poses', 'coco_file']
