"""Which location learns which person, and what it should say.

The assignment is FCOS's with centre sampling (arXiv 1904.01355), on boxes around the labelled
keypoints. Boxes, keypoints and locations are in input pixels, targets in strides.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


class Locations(NamedTuple):
    """The locations of all levels, L of them, level by level and row by row."""

    points: Tensor
    """(L, 2): x, y in input pixels."""
    strides: Tensor
    """(L, ): the stride of each one's level in input pixels."""
    regress_ranges: Tensor
    """(L, 2): least and largest distance to a side of the box, in input pixels."""


class PositiveTargets(NamedTuple):
    """Targets of the P locations of a batch that belong to a person."""

    image: Tensor
    """(P, ): index of the image."""
    location: Tensor
    """(P, ): index of the location."""
    person: Tensor
    """(P, ): index of the person in its image."""
    keypoints: Tensor
    """(P, K, 2): from the location to the person's keypoints, x and y in the level's strides."""
    visible: Tensor
    """(P, K): 1 for labelled keypoints, 0 for others."""
    centerness: Tensor
    """(P, ): of the location in the person's box, above 0 and up to 1."""


def make_locations(
    points: Sequence[Tensor], strides: Sequence[int], regress_ranges: Sequence[tuple[float, float]]
) -> Locations:
    """Join the levels.

    Args:
        points (Sequence[Tensor]): (H * W, 2) a level, x and y in input pixels.
        strides (Sequence[int]): A stride a level, in input pixels.
        regress_ranges (Sequence[Tuple[float, float]]): The least and the largest of the greatest
            distance between a location and a side of its box, a level each, in input pixels.

    Returns:
        Locations: Those of all levels in their order, with strides and ranges in input pixels.
    """
    counts = torch.tensor([len(p) for p in points])
    like = dict(dtype=points[0].dtype, device=points[0].device)
    return Locations(
        torch.cat(list(points)),
        torch.tensor(strides).repeat_interleave(counts).to(**like),
        torch.tensor(regress_ranges).repeat_interleave(counts, dim=0).to(**like),
    )


def assign_persons(locations: Locations, boxes: Tensor, radius: float) -> Tensor:
    """Give each location the person that it learns.

    A location belongs to a person when it lies strictly within ``radius`` strides of the box's
    centre and within the box, and when the greatest of its distances to the box's sides is in the
    level's range, ends included. Of several people the one with the smallest area
    ``(w + 1) * (h + 1)`` has it.

    Args:
        locations (Locations): L locations.
        boxes (Tensor): (N, M, 4) xyxy in input pixels; a box without extent has no location.
        radius (float): Half the side of the centre region, in strides.

    Returns:
        Tensor: (N, L), the person's index in 0 .. M - 1, or -1 for the background.
    """
    points = locations.points[:, None]  # (L, 1, 2)
    low, high = boxes[:, None, :, :2], boxes[:, None, :, 2:]  # (N, 1, M, 2)
    centers = (low + high) / 2
    reach = radius * locations.strides[:, None, None]  # (L, 1, 1)
    inside = (
        (points > torch.maximum(low, centers - reach))
        & (points < torch.minimum(high, centers + reach))
    ).all(dim=-1)  # (N, L, M)
    farthest = torch.maximum(points - low, high - points).amax(dim=-1)  # (N, L, M)
    ranges = locations.regress_ranges[:, None]  # (L, 1, 2)
    in_range = (farthest >= ranges[..., 0]) & (farthest <= ranges[..., 1])
    areas = (boxes[..., 2:] - boxes[..., :2] + 1).prod(dim=-1)[:, None]  # (N, 1, M)
    area, person = areas.where(inside & in_range, torch.inf).min(dim=-1)  # (N, L)
    return person.where(area.isfinite(), -1)


def positive_targets(
    locations: Locations, instances: Sequence[InstanceData], radius: float
) -> PositiveTargets:
    """Targets of a batch, vectorised over its images and levels.

    Args:
        locations (Locations): L locations.
        instances (Sequence[InstanceData]): The people of each image: ``bboxes`` (n, 4) around
            their labelled keypoints, ``keypoints`` (n, K, 2), both in input pixels, and
            ``keypoints_visible`` (n, K), above 0 where labelled. n may be 0.
        radius (float): See :func:`assign_persons`.

    Returns:
        PositiveTargets: Of the P locations that :func:`assign_persons` gives a person, image by
        image; keypoints (P, K, 2) in strides from the location. P may be 0.
    """
    boxes = pad_sequence([i.bboxes for i in instances], batch_first=True)  # (N, M, 4)
    boxes = F.pad(boxes, (0, 0, 0, 1))  # an empty box, for batches without people
    return targets_of(locations, instances, assign_persons(locations, boxes, radius))


def targets_of(
    locations: Locations, instances: Sequence[InstanceData], assigned: Tensor
) -> PositiveTargets:
    """Targets of the locations that an assignment gave a person.

    Args:
        locations (Locations): L locations.
        instances (Sequence[InstanceData]): As in :func:`positive_targets`.
        assigned (Tensor): (N, L), for each location the index of a person whose box it is
            strictly within, or -1.

    Returns:
        PositiveTargets: Of the P locations with a person, image by image and then in the order
        of ``locations``; keypoints (P, K, 2) in strides from the location. P may be 0.
    """
    image, location = torch.nonzero(assigned >= 0, as_tuple=True)  # (P, ) each
    person = assigned[image, location]
    points = locations.points[location]  # (P, 2)
    keypoints = of_persons([i.keypoints for i in instances], image, person)  # (P, K, 2)
    visible = of_persons([i.keypoints_visible for i in instances], image, person)  # (P, K)
    return PositiveTargets(
        image,
        location,
        person,
        (keypoints - points[:, None]) / locations.strides[location, None, None],
        (visible > 0).to(points.dtype),
        centerness(points, of_persons([i.bboxes for i in instances], image, person)),
    )


def of_persons(fields: Sequence[Tensor], image: Tensor, person: Tensor) -> Tensor:
    """What belongs to the persons of positive locations.

    Args:
        fields (Sequence[Tensor]): (n, ...) an image, an entry a person.
        image (Tensor): (P, ), the image of each location.
        person (Tensor): (P, ), the index of its person in that image.

    Returns:
        Tensor: (P, ...).
    """
    return pad_sequence(list(fields), batch_first=True)[image, person]


def centerness(points: Tensor, boxes: Tensor) -> Tensor:
    """FCOS's centerness of points inside of boxes, 1 at the centre and towards 0 at a side.

    Args:
        points (Tensor): (P, 2) x, y.
        boxes (Tensor): (P, 4) xyxy in the same frame.

    Returns:
        Tensor: (P, ).
    """
    before, after = points - boxes[:, :2], boxes[:, 2:] - points  # (P, 2)
    ratios = torch.minimum(before, after) / torch.maximum(before, after)
    return ratios.prod(dim=-1).sqrt()


def heatmap_labels(
    instances: Sequence[InstanceData], num_keypoints: int, size: tuple[int, int], stride: int
) -> Tensor:
    """One map of keypoint types an image: not a Gaussian, a single cell a keypoint.

    Each labelled keypoint of each person takes the cell whose location is nearest in Chebyshev
    distance, the first in row-major order on a tie; a later keypoint overwrites an earlier one.

    Args:
        instances (Sequence[InstanceData]): As in :func:`positive_targets`.
        num_keypoints (int): K.
        size (Tuple[int, int]): H, W of the map.
        stride (int): Of the map, in input pixels.

    Returns:
        Tensor: (N, H, W) with 0 .. K - 1, and K for the background.
    """
    height, width = size
    keypoints = torch.cat([i.keypoints for i in instances]).flatten(0, 1)  # (n * K, 2)
    labelled = torch.cat([i.keypoints_visible for i in instances]).flatten() > 0
    image = torch.cat(
        [
            i.keypoints_visible.new_full((i.keypoints_visible.numel(),), index, dtype=torch.long)
            for index, i in enumerate(instances)
        ]
    )
    kind = torch.arange(len(keypoints), device=keypoints.device)  # grows with the order
    keypoints, image, kind = keypoints[labelled], image[labelled], kind[labelled]

    def distance(values: Tensor, count: int) -> Tensor:
        cells = torch.arange(count, device=values.device) * stride + stride // 2
        return (values[:, None] - cells).abs()  # (n, count)

    dx, dy = distance(keypoints[:, 0], width), distance(keypoints[:, 1], height)
    # the least Chebyshev distance; argmax finds the first row, then the first column, with it
    nearest = torch.maximum(dx.amin(dim=1), dy.amin(dim=1))[:, None]
    column = (dx <= nearest).int().argmax(dim=1)
    row = (dy <= nearest).int().argmax(dim=1)
    cell = (image * height + row) * width + column
    last = kind.new_full((len(instances) * height * width,), -1)
    last = last.scatter_reduce(0, cell, kind, 'amax')  # the last keypoint, in a fixed order
    labels = (last % num_keypoints).where(last >= 0, num_keypoints)
    return labels.view(len(instances), height, width)
