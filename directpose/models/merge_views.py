"""Test-time augmentation, which merges the poses of several views of an image by NMS."""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.model import BaseTTAModel
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from mmpose.structures.bbox import flip_bbox
from mmpose.structures.keypoint import flip_keypoints

from .nms import nms


@MODELS.register_module()
class PoseTTAModel(BaseTTAModel):
    """A pose estimator that is tested on several views of each image.

    :class:`~directpose.datasets.PoseTestTimeAug` makes the views, which are the image at several
    sizes, each of them upright and mirrored. The estimator decodes each view alone. Poses of
    mirrored views are mirrored back, and left and right keypoints change places. Then NMS chooses
    among the poses of all views.

    This NMS has the estimator's settings, ``nms`` and ``max_per_img`` of ``model.test_cfg``. As
    in the code base of the original, its boxes are in the input pixels of the first view. The
    size of these pixels matters, because ``offset=1`` adds one pixel to each width. So the first
    scale should be 1. If this upright view is the only one, the poses are exactly those of the
    estimator.

    Args:
        module (dict or nn.Module): The estimator or its config.
        data_preprocessor (dict, optional): Config of a preprocessor that runs before that of
            ``module``.
    """

    def merge_preds(
        self, data_samples_list: Sequence[Sequence[PoseDataSample]]
    ) -> list[PoseDataSample]:
        """Merge the poses of the views of each image.

        Args:
            data_samples_list (Sequence[Sequence[PoseDataSample]]): The views of each image. Their
                ``pred_instances`` are the estimator's: NumPy arrays in original pixels.

        Returns:
            list[PoseDataSample]: The first view of each image. Its ``pred_instances`` are the
            merged poses, best first.

        Raises:
            ValueError: If a view is mirrored in another direction than the horizontal one.
        """
        return [self._merge(views) for views in data_samples_list]

    def _merge(self, views: Sequence[PoseDataSample]) -> PoseDataSample:
        poses = InstanceData.cat([upright_poses(view) for view in views])
        first = views[0]
        first.pred_instances = poses
        if len(poses) == 0:
            return first
        to_input = np.asarray(first.metainfo['input_size']) / first.metainfo['input_scale']  # (2, )
        boxes = poses.bboxes * np.tile(to_input, 2)  # (n, 4)
        test_cfg = self.module.test_cfg
        scores, index = nms(
            torch.from_numpy(boxes.astype(np.float32))[None],  # (1, n, 4)
            torch.from_numpy(poses.bbox_scores.astype(np.float32))[None],  # (1, n)
            **test_cfg['nms'],
            max_per_img=test_cfg['max_per_img'],
        )
        keep = index[scores >= 0].numpy()
        first.pred_instances = poses[keep]
        return first


def upright_poses(view: PoseDataSample) -> InstanceData:
    """Mirror the poses of a mirrored view back, so that they fit the image.

    A mirrored view has the point x at ``w - 1 - x``, where w is its width in input pixels. The
    poses are in original pixels. There, with the original width W, the point is at
    ``W - W / w - x``.

    Args:
        view (PoseDataSample): A view with ``pred_instances`` in original pixels. Its metainfo has
            ``input_size``, ``input_scale`` and ``input_center``, see
            :class:`~directpose.datasets.ShortSideResize`. If the view is mirrored, its metainfo
            also has ``flip``, ``flip_direction`` and ``flip_indices``.

    Returns:
        InstanceData: The poses in original pixels. If the view is not mirrored, they are its
        ``pred_instances``. Otherwise they are new NumPy arrays with the same fields, in which left
        and right keypoints have changed places.

    Raises:
        ValueError: If the view is mirrored in another direction than the horizontal one.
    """
    poses, meta = view.pred_instances, view.metainfo
    if not meta.get('flip'):
        return poses
    if meta['flip_direction'] != 'horizontal':
        raise ValueError(
            f"'{meta['img_path']}' was mirrored in direction "
            f"'{meta['flip_direction']}'; PoseTTAModel only turns 'horizontal' back: "
            'correct RandomFlip in tta_pipeline'
        )
    (width, height), (input_width, _) = meta['input_scale'], meta['input_size']
    # MMPose's functions mirror x about (width - 1) / 2
    about = 2 * meta['input_center'][0] - width / input_width
    size = (about + 1, height)
    keypoints, keypoint_scores = flip_keypoints(
        poses.keypoints, poses.keypoint_scores, size, meta['flip_indices']
    )
    upright = InstanceData(
        bboxes=flip_bbox(poses.bboxes, size, bbox_format='xyxy'),
        bbox_scores=poses.bbox_scores,
        keypoints=keypoints,
        keypoint_scores=keypoint_scores,
        keypoints_visible=keypoint_scores,
    )
    if 'keypoints_hidden' in poses:
        upright.keypoints_hidden = poses.keypoints_hidden[:, meta['flip_indices']]
    return upright
