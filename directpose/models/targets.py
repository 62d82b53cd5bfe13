"""The targets of training: which location learns which person, and what it should predict.

People are assigned to locations as in FCOS with centre sampling (arXiv 1904.01355). Their boxes
are those around the labelled keypoints. Boxes, keypoints and locations are in input pixels. The
targets of keypoints are in strides.
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
    """The L locations of all levels, level by level and row by row."""

    points: Tensor
    """Shape (L, 2). The location as x, y in input pixels."""
    strides: Tensor
    """Shape (L, ). The stride of the location's level in input pixels."""
    regress_ranges: Tensor
    """Shape (L, 2). The least and the largest distance from the location to the farthest side of
    the box that it learns, in input pixels."""


class People(NamedTuple):
    """The people of a batch of N images, padded to the largest number M of people in an image."""

    boxes: Tensor
    """Shape (N, M, 4), as x1, y1, x2, y2 in input pixels. Padded boxes have no extent."""
    keypoints: Tensor
    """Shape (N, M, K, 2), as x, y in input pixels."""
    visible: Tensor
    """Shape (N, M, K). Above 0 for labelled keypoints."""
    areas: Tensor | None
    """Shape (N, M), in square input pixels. None if the data has no areas."""


class PositiveTargets(NamedTuple):
    """The targets of the P locations of a batch that learn a person."""

    image: Tensor
    """Shape (P, ). The index of the image in the batch."""
    location: Tensor
    """Shape (P, ). The index of the location."""
    points: Tensor
    """Shape (P, 2). The location as x, y in input pixels."""
    strides: Tensor
    """Shape (P, ). The stride of the location's level in input pixels."""
    keypoints: Tensor
    """Shape (P, K, 2). The person's keypoints as x, y, relative to the location, in strides."""
    visible: Tensor
    """Shape (P, K). 1 for labelled keypoints and 0 for others."""
    visibility: Tensor
    """Shape (P, K). The value in the data set. If the data set keeps COCO's visibility, 0 means
    unlabelled, 1 hidden and 2 visible."""
    centerness: Tensor
    """Shape (P, ). The centerness of the location in the person's box, above 0 and at most 1."""
    boxes: Tensor
    """Shape (P, 4). The person's box as x1, y1, x2, y2 in input pixels."""
    areas: Tensor | None
    """Shape (P, ). The person's area in square input pixels. None if the data has no areas."""


@lru_cache(maxsize=32)
def make_locations(
    sizes: Sequence[tuple[int, int]],
    strides: Sequence[int],
    regress_ranges: Sequence[tuple[float, float]],
    device: torch.device | str,
) -> Locations:
    """Make the locations of all levels.

    The results are cached. Therefore all arguments must be hashable: tuples, not lists.

    Args:
        sizes (Sequence[tuple[int, int]]): Height and width of each level in cells.
        strides (Sequence[int]): The stride of each level in input pixels.
        regress_ranges (Sequence[tuple[float, float]]): For each level, the least and the largest
            distance from a location to the farthest side of the box that it learns, in input
            pixels.
        device (torch.device or str): The device of the tensors.

    Returns:
        Locations: The locations in fp32. The cell in row i and column j of a level with stride s
        is at x = ``j s + s // 2``, y = ``i s + s // 2``.
    """
    # Training may get locations that inference cached, so they must not be inference tensors.
    with torch.inference_mode(False):
        corners = MlvlPointGenerator(strides, offset=0).grid_priors(sizes, device='cpu')
        counts = torch.tensor([len(c) for c in corners])
        stride = torch.tensor(strides).repeat_interleave(counts)  # (L, )
        locations = Locations(
            torch.cat(corners) + (stride // 2)[:, None],
            stride,
            torch.tensor(regress_ranges).repeat_interleave(counts, dim=0),
        )
        return Locations(*(t.to(device, torch.float32) for t in locations))


def pad_people(instances: Sequence[InstanceData]) -> People:
    """Put the people of all images of a batch into one tensor for each field.

    Args:
        instances (Sequence[InstanceData]): The n people of each image, where n may be 0. The
            fields are ``bboxes`` (n, 4) around the labelled keypoints, ``keypoints`` (n, K, 2),
            both in input pixels, ``keypoints_visible`` (n, K), above 0 for labelled keypoints,
            and, if the data has them, ``areas`` (n, ) in square input pixels.

    Returns:
        People: The people of the batch. M may be 0.
    """

    def pad(field: str) -> Tensor:
        return pad_sequence([item[field] for item in instances], batch_first=True)

    areas = pad('areas') if all('areas' in item for item in instances) else None
    return People(pad('bboxes'), pad('keypoints'), pad('keypoints_visible'), areas)


def assign_persons(locations: Locations, boxes: Tensor, radius: float) -> Tensor:
    """Decide which person each location learns.

    A location can learn a person under three conditions:

    - The location lies strictly inside the person's box.
    - In x and in y, the location is less than ``radius`` strides away from the box's centre.
    - The distance from the location to the farthest side of the box is in the level's range. Both
      ends of the range are included.

    If these conditions hold for several people, the location learns the one whose box has the
    smallest area ``(w + 1) * (h + 1)``.

    Args:
        locations (Locations): L locations.
        boxes (Tensor): Boxes of shape (N, M, 4), as x1, y1, x2, y2 in input pixels. No location
            learns a box without extent.
        radius (float): Half the side of the square around the box's centre, in strides.

    Returns:
        Tensor: The index of the person from 0 to M - 1, or -1 for the background, of shape
        (N, L).
    """
    boxes = F.pad(boxes, (0, 0, 0, 1))  # Add an empty box, for batches without people.
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
    """Compute the targets of a batch, for all images and levels at once.

    Args:
        locations (Locations): L locations.
        instances (Sequence[InstanceData]): The people of each image, see :func:`pad_people`.
        radius (float): See :func:`assign_persons`.

    Returns:
        PositiveTargets: The targets of the P locations that learn a person by the rule of
        :func:`assign_persons`, image by image. P may be 0.
    """
    people = pad_people(instances)
    return gather_targets(locations, people, assign_persons(locations, people.boxes, radius))


def gather_targets(locations: Locations, people: People, assigned: Tensor) -> PositiveTargets:
    """Collect the targets of the locations that learn a person.

    Args:
        locations (Locations): L locations.
        people (People): The people of N images.
        assigned (Tensor): For each location the index of the person that it learns, or -1, of
            shape (N, L). The location must lie strictly inside the person's box.

    Returns:
        PositiveTargets: The targets of the P locations that learn a person, image by image, and
        in each image in the order of ``locations``. P may be 0.
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
        maps (Sequence[Tensor]): For each level, a map of shape (N, C, H, W).
        targets (PositiveTargets): The targets of the P positive locations.

    Returns:
        Tensor: Values of shape (P, C) in fp32.
    """
    joined = torch.cat([m.flatten(2) for m in maps], dim=2).float()  # (N, C, L)
    return joined[targets.image, :, targets.location]


def centerness(points: Tensor, boxes: Tensor) -> Tensor:
    """Compute FCOS's centerness of points inside boxes.

    The centerness is 1 at the centre of the box and falls to 0 towards its sides.

    Args:
        points (Tensor): Points of shape (P, 2), as x, y.
        boxes (Tensor): Boxes of shape (P, 4), as x1, y1, x2, y2 in the same frame.

    Returns:
        Tensor: Centerness of shape (P, ).
    """
    before, after = points - boxes[:, :2], boxes[:, 2:] - points  # (P, 2)
    ratios = torch.minimum(before, after) / torch.maximum(before, after)
    return ratios.prod(dim=-1).sqrt()


def heatmap_labels(
    instances: Sequence[InstanceData], num_keypoints: int, size: tuple[int, int], stride: int
) -> Tensor:
    """Make the labels of the heatmap branch: for each cell the keypoint that lies in it.

    Each labelled keypoint marks a single cell, not a Gaussian. This is the cell whose location is
    nearest in Chebyshev distance. If several are equally near, the first in row-major order is
    taken. If several keypoints mark the same cell, the last one counts.

    Args:
        instances (Sequence[InstanceData]): The people of each image, see :func:`pad_people`.
        num_keypoints (int): Number of keypoints K.
        size (tuple[int, int]): Height and width of the map in cells.
        stride (int): Stride of the map in input pixels.

    Returns:
        Tensor: Labels of shape (N, H, W): the index of the keypoint from 0 to K - 1, or K for the
        background.
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
    # The least Chebyshev distance. argmax finds the first row and the first column with it.
    nearest = torch.maximum(dx.amin(dim=1), dy.amin(dim=1))[:, None]
    column = (dx <= nearest).int().argmax(dim=1)
    row = (dy <= nearest).int().argmax(dim=1)
    cell = (image * height + row) * width + column
    num_cells = len(instances) * height * width
    cell = cell.where(labelled, num_cells)  # an extra cell for unlabelled keypoints
    order = torch.arange(len(keypoints), device=keypoints.device)
    last = order.new_full((num_cells + 1,), -1)
    last = last.scatter_reduce(0, cell, order, 'amax')[:-1]  # the last keypoint of each cell
    labels = (last % num_keypoints).where(last >= 0, num_keypoints)
    return labels.view(len(instances), height, width)
