"""MMPose's visualizer with this package's drawer."""

import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.registry import VISUALIZERS
from mmpose.visualization import PoseLocalVisualizer

from directpose.drawing import draw_poses


@VISUALIZERS.register_module()
class DirectPoseVisualizer(PoseLocalVisualizer):
    """MMPose's local visualizer that draws people with :func:`directpose.drawing.draw_poses`.

    The colours and line widths of MMPose apply only where MMPose still draws: with
    ``show_kpt_idx=True`` and with ``skeleton_style='openpose'``.
    """

    def _draw_instances_kpts(
        self,
        image: np.ndarray,
        instances: InstanceData,
        kpt_thr: float = 0.3,
        show_kpt_idx: bool = False,
        skeleton_style: str = 'mmpose',
    ) -> np.ndarray:
        """Draw keypoints and skeletons.

        Args:
            image (np.ndarray): (H, W, 3) uint8, RGB.
            instances (InstanceData): With ``keypoints`` (n, K, 2) and ``keypoints_visible``
                (n, K): the score of a keypoint, or whether it is labelled. Keypoints whose
                ``keypoints_hidden`` (n, K), if there, is above 0.5 are drawn as rings.
            kpt_thr (float): Keypoints with a lower score, or with score 0, are not drawn. Defaults
                to 0.3.
            show_kpt_idx (bool): Whether to write the index of each keypoint. Defaults to False.
            skeleton_style (str): ``mmpose`` or ``openpose``. Defaults to ``mmpose``.

        Returns:
            np.ndarray: The drawn picture, RGB.
        """
        if show_kpt_idx or skeleton_style != 'mmpose':
            return super()._draw_instances_kpts(
                image, instances, kpt_thr, show_kpt_idx, skeleton_style
            )
        if 'keypoints' not in instances:
            return image
        keypoints = instances.get('transformed_keypoints', instances.keypoints)  # (n, K, 2)
        scores = instances.get('keypoints_visible', np.ones(keypoints.shape[:2]))  # (n, K)
        hidden = instances.get('keypoints_hidden', np.zeros(keypoints.shape[:2]))  # (n, K)
        seen = np.where(hidden > 0.5, 1, 2)
        names = self.dataset_meta.get('keypoint_id2name', {})
        drawn = draw_poses(
            image[..., ::-1],
            keypoints,
            self.skeleton or [],
            [names.get(k, '') for k in range(keypoints.shape[1])],
            visibility=np.where((scores >= kpt_thr) & (scores > 0), seen, 0),
        )
        return np.ascontiguousarray(drawn[..., ::-1])

    def _draw_instances_bbox(self, image: np.ndarray, instances: InstanceData) -> np.ndarray:
        """Draw boxes in the tints of their people.

        Args:
            image (np.ndarray): (H, W, 3) uint8, RGB.
            instances (InstanceData): With ``bboxes`` (n, 4) as x1, y1, x2, y2.

        Returns:
            np.ndarray: The drawn picture, RGB.
        """
        if 'bboxes' not in instances:
            return image
        nothing = np.zeros((len(instances.bboxes), 0, 2))
        drawn = draw_poses(image[..., ::-1], nothing, [], [], boxes=instances.bboxes)
        return np.ascontiguousarray(drawn[..., ::-1])

    def draw_circles(
        self, center: np.ndarray | torch.Tensor, radius: np.ndarray | torch.Tensor, **kwargs
    ) -> 'DirectPoseVisualizer':
        """Draw a circle.

        MMPose passes the radius as an array of one element and calls ``int()`` with it, which
        NumPy refuses since version 2.4.

        Args:
            center (np.ndarray | torch.Tensor): x and y, in pixels of the image.
            radius (np.ndarray | torch.Tensor): Of one element, in pixels.
            **kwargs: As for :class:`mmpose.visualization.PoseLocalVisualizer`.
        """
        if self.backend == 'opencv':
            radius = radius.item()
        return super().draw_circles(center, radius, **kwargs)
