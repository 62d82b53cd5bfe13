"""An exported model without torch: numpy, Pillow and ONNX Runtime are all it takes."""

from .model import DirectPose, Poses

__all__ = ['DirectPose', 'Poses']
