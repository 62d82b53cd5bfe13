"""Test-time augmentation: the poses of several views of an image, merged by one more NMS."""

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

    :class:`~directpose.datasets.PoseTestTimeAug` makes the views: sizes, each of them upright and
    mirrored. The estimator decodes every view on its own. Mirrored poses are turned back, with
    left and right swapped, and of the poses of all views NMS keeps the best.

    The NMS is the estimator's, ``model.test_cfg.nms`` and ``max_per_img``, on boxes in the input
    pixels of the first view, as in the original's code base. In which pixels matters, since the
    legacy width (``offset=1``) adds one of them. So the estimator's own size belongs first: then
    that view alone gives exactly the estimator's poses.

    Args:
        module (dict or nn.Module): The estimator.
        data_preprocessor (dict, optional): Applied before the preprocessor of ``module``.
    """

    def merge_preds(
        self, data_samples_list: Sequence[Sequence[PoseDataSample]]
    ) -> list[PoseDataSample]:
        """Merge the poses of the views of each image.

        Args:
            data_samples_list (Sequence[Sequence[PoseDataSample]]): The views of each image, with
                ``pred_instances`` in original pixels, numpy, as the estimator gives them.

        Returns:
            List[PoseDataSample]: The first view of each image, with the poses of all, best first.

        Raises:
            ValueError: If a view is mirrored otherwise than horizontally.
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
            max_per_img=min(test_cfg['max_per_img'], len(boxes)),
        )
        keep = index[scores >= 0].numpy()
        first.pred_instances = poses[keep]
        return first


def upright_poses(view: PoseDataSample) -> InstanceData:
    """Mirror the poses of a mirrored view back, so that they fit the image.

    In input pixels a mirrored x is ``w - 1 - x``. In original pixels, where the poses are, that
    is ``W - W / w - x``, with the width W of the image there.

    Args:
        view (PoseDataSample): With ``pred_instances`` in original pixels and, in its metainfo,
            ``input_size``, ``input_scale``, ``input_center`` (see
            :class:`~directpose.datasets.ShortSideResize`); if it is mirrored, ``flip``,
            ``flip_direction`` and ``flip_indices`` too.

    Returns:
        InstanceData: ``pred_instances`` itself if the view is not mirrored; else anew, in
        original pixels and numpy, ``bboxes`` (n, 4), ``bbox_scores`` (n, ), ``keypoints``
        (n, K, 2), ``keypoint_scores``, ``keypoints_visible`` and, if there,
        ``keypoints_hidden`` (n, K), left and right swapped.

    Raises:
        ValueError: If the view is mirrored otherwise than horizontally.
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
