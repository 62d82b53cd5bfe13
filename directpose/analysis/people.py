"""Made-up people to train on, where only time, memory and gradients matter."""

import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample


def labelled_person(num_keypoints: int, height: int, width: int) -> PoseDataSample:
    """One large person in the middle of a picture, at random places, always the same ones.

    Args:
        num_keypoints (int): K, all of them labelled.
        height (int): Of the picture, more than 20 input pixels.
        width (int): Likewise.

    Returns:
        PoseDataSample: With ``gt_instance_labels`` as the training pipelines give them: one
        person's ``bboxes`` (1, 4), ``keypoints`` (1, K, 2), ``keypoints_visible`` (1, K),
        ``areas`` (1, ) and ``labels`` (1, ), in input pixels.
    """
    generator = torch.Generator().manual_seed(0)
    span = torch.tensor([width - 20.0, height - 20.0])
    sample = PoseDataSample(metainfo=dict(img_shape=(height, width)))
    sample.gt_instance_labels = InstanceData(
        bboxes=torch.tensor([[10.0, 10.0, width - 10.0, height - 10.0]]),
        labels=torch.zeros(1, dtype=torch.long),
        areas=torch.tensor([height * width / 2]),
        keypoints=10 + torch.rand(1, num_keypoints, 2, generator=generator) * span,
        keypoints_visible=torch.ones(1, num_keypoints),
    )
    return sample
