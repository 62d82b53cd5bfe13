"""Which location learns which person, and what it should say.

The assignment is FCOS's with centre sampling (arXiv 1904.01355), on boxes around the labelled
keypoints. Boxes, keypoints and locations are in input pixels, keypoint targets in strides.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmdet.models.task_modules import MlvlPointGenerator
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


class Locations(NamedTuple):
    """The locations of all levels, L of them, level by level and row by row."""

    points: Tensor
    """(L, 2): x, y in input pixels."""
    strides: Tensor
    """(L, ): the stride of each location's level in input pixels."""
    regress_ranges: Tensor
    """(L, 2): least and largest distance to the farthest side of the box, in input pixels."""


class People(NamedTuple):
    """The people of a batch of N images, padded to the largest number M of people in an image."""

    boxes: Tensor
    """(N, M, 4): x1, y1, x2, y2 in input pixels; those of the padding have no extent."""
    keypoints: Tensor
    """(N, M, K, 2): x, y in input pixels."""
    visible: Tensor
    """(N, M, K): above 0 for labelled keypoints."""
    areas: Tensor | None
    """(N, M): in square input pixels; None where the data has no areas."""


class PositiveTargets(NamedTuple):
    """Targets of the P locations of a batch that belong to a person."""

    image: Tensor
    """(P, ): index of the image."""
    location: Tensor
    """(P, ): index of the location."""
    points: Tensor
    """(P, 2): x, y of the location in input pixels."""
    strides: Tensor
    """(P, ): stride of the location's level in input pixels."""
    keypoints: Tensor
    """(P, K, 2): from the location to the person's keypoints, x and y in the level's strides."""
    visible: Tensor
    """(P, K): 1 for labelled keypoints, 0 for others."""
    visibility: Tensor
    """(P, K): as the data set has it. Where it keeps COCO's visibility, 0 is unlabelled, 1 is
    hidden and 2 is visible."""
    centerness: Tensor
    """(P, ): of the location in the person's box, above 0 and up to 1."""
    boxes: Tensor
    """(P, 4): the person's box, x1, y1, x2, y2 in input pixels."""
    areas: Tensor | None
    """(P, ): the person's area in square input pixels; None where the data has no areas."""


@lru_cache(maxsize=32)
def make_locations(
    sizes: Sequence[tuple[int, int]],
    strides: Sequence[int],
    regress_ranges: Sequence[tuple[float, float]],
    device: torch.device | str,
) -> Locations:
    """Make the locations of all levels, or return those made before for the same arguments.

    Args:
        sizes (Sequence[Tuple[int, int]]): Height and width of each level in cells.
        strides (Sequence[int]): A stride a level, in input pixels.
        regress_ranges (Sequence[Tuple[float, float]]): The least and the largest distance
            between a location and the farthest side of its box, a level each, in input pixels.
        device (torch.device or str): Where the tensors are. All arguments must be hashable:
            tuples, not lists.

    Returns:
        Locations: In fp32; cell (i, j) of stride s is at ``(j s + s // 2, i s + s // 2)``.
    """
    # what inference keeps here must serve training too
    with torch.inference_mode(False):
        points = MlvlPointGenerator(strides, offset=0.5).grid_priors(sizes, device='cpu')
        counts = torch.tensor([len(p) for p in points])
        locations = Locations(
            torch.cat(points),
            torch.tensor(strides).repeat_interleave(counts),
            torch.tensor(regress_ranges).repeat_interleave(counts, dim=0),
        )
        return Locations(*(t.to(device, torch.float32) for t in locations))


def pad_people(instances: Sequence[InstanceData]) -> People:
    """Put the people of all images of a batch into one tensor a field.

    Args:
        instances (Sequence[InstanceData]): The people of each image: ``bboxes`` (n, 4) around
            their labelled keypoints, ``keypoints`` (n, K, 2), both in input pixels,
            ``keypoints_visible`` (n, K), above 0 where labelled, and, where the data has them,
            ``areas`` (n, ) in square input pixels. n may be 0.

    Returns:
        People: M may be 0.
    """

    def pad(field: str) -> Tensor:
        return pad_sequence([item[field] for item in instances], batch_first=True)

    areas = pad('areas') if all('areas' in item for item in instances) else None
    return People(pad('bboxes'), pad('keypoints'), pad('keypoints_visible'), areas)


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
    boxes = F.pad(boxes, (0, 0, 0, 1))  # an empty box, for batches without people
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
        instances (Sequence[InstanceData]): The people of each image; see :func:`pad_people`.
        radius (float): See :func:`assign_persons`.

    Returns:
        PositiveTargets: Of the P locations that :func:`assign_persons` gives a person, image by
        image; keypoints (P, K, 2) in strides from the location. P may be 0.
    """
    people = pad_people(instances)
    return gather_targets(locations, people, assign_persons(locations, people.boxes, radius))


def gather_targets(locations: Locations, people: People, assigned: Tensor) -> PositiveTargets:
    """Targets of the locations that an assignment gave a person.

    Args:
        locations (Locations): L locations.
        people (People): The people of N images.
        assigned (Tensor): (N, L), for each location the index of a person whose box it is
            strictly within, or -1.

    Returns:
        PositiveTargets: Of the P locations with a person, image by image and then in the order
        of ``locations``; keypoints (P, K, 2) in strides from the location. P may be 0.
    """
    image, location = torch.nonzero(assigned >= 0, as_tuple=True)  # (P, ) each
    person = assigned[image, location]
    points, strides = locations.points[location], locations.strides[location]
    boxes = people.boxes[image, person]  # (P, 4)
    offsets = people.keypoints[image, person] - points[:, None]  # (P, K, 2) in input pixels
    visibility = people.visible[image, person]  # (P, K)
    return PositiveTargets(
        image,
        location,
        points,
        strides,
        offsets / strides[:, None, None],
        (visibility > 0).to(points.dtype),
        visibility,
        centerness(points, boxes),
        boxes,
        None if people.areas is None else people.areas[image, person],
    )


def at_positives(maps: Sequence[Tensor], targets: PositiveTargets) -> Tensor:
    """Take the values of raw maps at the positive locations.

    Args:
        maps (Sequence[Tensor]): (N, C, H, W) a level.
        targets (PositiveTargets): Of P locations.

    Returns:
        Tensor: (P, C) in fp32.
    """
    joined = torch.cat([m.flatten(2) for m in maps], dim=2).float()  # (N, C, L)
    return joined[targets.image, :, targets.location]


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
        instances (Sequence[InstanceData]): The people of each image; see :func:`pad_people`.
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

    def distance(values: Tensor, count: int) -> Tensor:
        cells = torch.arange(count, device=values.device) * stride + stride // 2
        return (values[:, None] - cells).abs()  # (n, count)

    dx, dy = distance(keypoints[:, 0], width), distance(keypoints[:, 1], height)
    # the least Chebyshev distance; argmax finds the first row, then the first column, with it
    nearest = torch.maximum(dx.amin(dim=1), dy.amin(dim=1))[:, None]
    column = (dx <= nearest).int().argmax(dim=1)
    row = (dy <= nearest).int().argmax(dim=1)
    cell = (image * height + row) * width + column
    num_cells = len(instances) * height * width
    cell = cell.where(labelled, num_cells)  # keypoints without a label go to a cell of their own
    order = torch.arange(len(keypoints), device=keypoints.device)
    last = order.new_full((num_cells + 1,), -1)
    last = last.scatter_reduce(0, cell, order, 'amax')[:-1]  # the last keypoint of each cell
    labels = (last % num_keypoints).where(last >= 0, num_keypoints)
    return labels.view(len(instances), height, width)
