"""An exported model without torch: numpy, Pillow and ONNX Runtime are all it takes."""

from .model import DirectPose
from .poses import Poses, coco_file
from .tracking import PoseTracker

__all__ = ['DirectPose', 'PoseTracker', 'Poses', 'coco_file']
