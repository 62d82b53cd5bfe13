"""Assign people to locations by the predictions that the model makes so far."""

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
    """Let one of mmpose's assigners choose the positive locations, from all levels.

    Locations outside of the person's box are left out, since they have no centerness.

    Args:
        assigner (Any): Usually ``SimOTAAssigner`` with ``dynamic_k_indicator='oks'``: a person
            has as many locations as the OKS of its best predictions add up to.
        locations (Locations): L locations.
        cls_score (Tensor): (N, L) logits.
        keypoint_pred (Tensor): (N, 2K, L), x1, y1, ... in strides from the location.
        instances (Sequence[InstanceData]): As of :func:`~.targets.pad_people`, with
            ``areas`` (n, ) in square input pixels, and with ``labels`` (n, ).

    Returns:
        Tensor: (N, L), the person's index in its image, or -1 for the background.
    """
    points, strides = locations.points, locations.strides
    priors = torch.cat([points, strides[:, None].expand(-1, 2)], dim=1)  # (L, 4)
    offsets = keypoint_pred.unflatten(1, (-1, 2)).permute(0, 3, 1, 2)  # (N, L, K, 2)
    keypoints = points[:, None] + offsets * strides[:, None, None]
    assigned = []
    for scores, poses, people in zip(cls_score.sigmoid(), keypoints, instances):
        person = (
            assigner.assign(
                InstanceData(
                    priors=priors,
                    bboxes=torch.cat([poses.amin(dim=1), poses.amax(dim=1)], dim=1),  # (L, 4)
                    scores=scores[:, None],
                    keypoints=poses,
                    keypoints_visible=torch.ones_like(poses[..., 0]),
                ),
                people,
            )['gt_inds']
            - 1
        )  # (L, )
        if len(people):
            boxes = people.bboxes[person]  # (L, 4); of the background any
            inside = ((points > boxes[:, :2]) & (points < boxes[:, 2:])).all(dim=1)
            person = person.where(inside, -1)
        assigned.append(person)
    return torch.stack(assigned)
