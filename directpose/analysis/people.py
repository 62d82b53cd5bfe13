"""A made-up person to train on, for measurements of time, memory and gradients."""

import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample


def labelled_person(num_keypoints: int, height: int, width: int) -> PoseDataSample:
    """Make the labels of one person whose box almost fills the picture.

    The keypoints lie at random places in the box. The same arguments give the same places.

    Args:
        num_keypoints (int): The number of keypoints K. All of them are visible (2).
        height (int): Height of the picture in input pixels, more than 20.
        width (int): Width of the picture in input pixels, more than 20.

    Returns:
        PoseDataSample: A sample with ``gt_instance_labels`` as the training pipelines give them:
        ``bboxes`` (1, 4), ``keypoints`` (1, K, 2), ``keypoints_visible`` (1, K), ``areas`` (1, )
        and ``labels`` (1, ), in input pixels.
    """
    generator = torch.Generator().manual_seed(0)
    span = torch.tensor([width - 20.0, height - 20.0])
    sample = PoseDataSample(metainfo=dict(img_shape=(height, width)))
    sample.gt_instance_labels = InstanceData(
        bboxes=torch.tensor([[10.0, 10.0, width - 10.0, height - 10.0]]),
        labels=torch.zeros(1, dtype=torch.long),
        areas=torch.tensor([height * width / 2]),
        keypoints=10 + torch.rand(1, num_keypoints, 2, generator=generator) * span,
        keypoints_visible=torch.full((1, num_keypoints), 2.0),
    )
    return sample
