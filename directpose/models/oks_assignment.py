"""An assignment of people to locations that depends on what the model predicts for them."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from .targets import Locations


@torch.no_grad()
def assign_by_oks(
    assigner: Any,
    locations: Locations,
    cls_score: Tensor,
    keypoint_pred: Tensor,
    instances: Sequence[InstanceData],
) -> Tensor:
    """Choose the positive locations of all levels by one of mmpose's assigners.

    Locations outside the person's box become background, because centerness is not defined there.
    A hidden keypoint counts as much as a visible one.

    Args:
        assigner (Any): The assigner. ``SimOTAAssigner`` with ``dynamic_k_indicator='oks'`` gives
            each person a number of locations that depends on the OKS of its best predictions.
        locations (Locations): L locations.
        cls_score (Tensor): Classification logits of shape (N, L).
        keypoint_pred (Tensor): Keypoints of shape (N, 2K, L), as x1, y1, x2, y2, ..., relative to
            the location, in strides.
        instances (Sequence[InstanceData]): The people of each image, see
            :func:`~.targets.pad_people`. The fields ``areas`` (n, ), in square input pixels, and
            ``labels`` (n, ) are needed too.

    Returns:
        Tensor: For each location the index of its person in the image, or -1 for the background,
        of shape (N, L).
    """
    points, strides = locations.points, locations.strides
    priors = torch.cat([points, strides[:, None].expand(-1, 2)], dim=1)  # (L, 4)
    offsets = keypoint_pred.unflatten(1, (-1, 2)).permute(0, 3, 1, 2)  # (N, L, K, 2)
    keypoints = points[:, None] + offsets * strides[:, None, None]
    # With NaN the assigner would raise an error of torch's. Without it the loss, which is NaN too,
    # ends the training with a message for people.
    probabilities = cls_score.sigmoid().nan_to_num()
    assigned = []
    for scores, poses, people in zip(probabilities, keypoints, instances):
        labelled = (people.keypoints_visible > 0).to(poses)  # (n, K); the data may have COCO's 2
        person = (
            assigner.assign(
                InstanceData(
                    priors=priors,
                    bboxes=torch.cat([poses.amin(dim=1), poses.amax(dim=1)], dim=1),  # (L, 4)
                    scores=scores[:, None],
                    keypoints=poses,
                    keypoints_visible=torch.ones_like(poses[..., 0]),
                ),
                InstanceData(**dict(people.items(), keypoints_visible=labelled)),
            )['gt_inds']
            - 1
        )  # (L, )
        if len(people):
            boxes = people.bboxes[person]  # (L, 4); any box for the background
            inside = ((points > boxes[:, :2]) & (points < boxes[:, 2:])).all(dim=1)
            person = person.where(inside, -1)
        assigned.append(person)
    return torch.stack(assigned)
