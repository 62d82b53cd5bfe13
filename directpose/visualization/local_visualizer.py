"""MMPose's visualizer on today's NumPy."""

import numpy as np
import torch
from mmpose.registry import VISUALIZERS
from mmpose.visualization import PoseLocalVisualizer


@VISUALIZERS.register_module()
class DirectPoseVisualizer(PoseLocalVisualizer):
    """MMPose's local visualizer, which draws no keypoint with NumPy 2.4 or newer.

    It hands on the radius as an array of one element and then takes ``int()`` of it, which
    NumPy has refused since that version.
    """

    def draw_circles(
        self, center: np.ndarray | torch.Tensor, radius: np.ndarray | torch.Tensor, **kwargs
    ) -> 'DirectPoseVisualizer':
        """Draw a circle.

        Args:
            center (np.ndarray | torch.Tensor): x and y, in pixels of the image.
            radius (np.ndarray | torch.Tensor): Of one element, in pixels.
            **kwargs: As for :class:`mmpose.visualization.PoseLocalVisualizer`.
        """
        if self.backend == 'opencv':
            radius = radius.item()
        return super().draw_circles(center, radius, **kwargs)
