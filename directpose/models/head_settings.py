"""Checks of the settings that a config gives a head."""

from collections.abc import Sequence


def check_channels(feat_channels: int, group_channels: int) -> None:
    """Check that the group normalisation can divide the channels of the towers.

    Args:
        feat_channels (int): Number of channels of the classification tower, which has 32 groups.
        group_channels (int): Number of channels of each keypoint group. A group of the
            normalisation has four channels, and must not reach into the next keypoint group.

    Raises:
        ValueError: If one of them is not a multiple of 32 or of 4.
    """
    for name, channels, divisor in (
        ('feat_channels', feat_channels, 32),
        ('group_channels', group_channels, 4),
    ):
        if channels < 1 or channels % divisor:
            raise ValueError(
                f'{name} of DirectPoseHead must be a multiple of {divisor}, but is {channels}'
            )


def check_regress_ranges(
    strides: Sequence[int], regress_ranges: Sequence[tuple[float, float]]
) -> None:
    """Check that each level has a range of sizes, and that coarser levels have larger ones.

    Args:
        strides (Sequence[int]): The strides of the levels, in input pixels.
        regress_ranges (Sequence[tuple[float, float]]): For each level the least and the largest
            distance, in input pixels.

    Raises:
        ValueError: If there are not as many ranges as strides, if a range is empty, or if a
            coarser level has a smaller end than a finer one.
    """
    if len(strides) != len(regress_ranges):
        raise ValueError(
            f'DirectPoseHead has {len(strides)} strides, but {len(regress_ranges)} regress_ranges'
        )
    ends = list(zip(*regress_ranges))
    if any(low >= high for low, high in regress_ranges) or any(
        sorted(end) != list(end) for end in ends
    ):
        raise ValueError(
            'regress_ranges of DirectPoseHead must be (least, largest) for each level, the finest '
            f'level first, with least < largest and ends that go up, but are {regress_ranges}: '
            'no location would learn the people of the right size'
        )


def merge_settings(part: str, settings: dict, **given: object) -> dict:
    """Join the settings of a part of the head with those that the head gives.

    Args:
        part (str): The name of the part in the head's config.
        settings (dict): The config of the part.
        **given: The settings that follow from the head's own arguments.

    Returns:
        dict: The complete config of the part.

    Raises:
        ValueError: If the config has a setting that the head gives.
    """
    if both := sorted(set(settings) & set(given)):
        raise ValueError(
            f'{part} of DirectPoseHead sets {both}, which the head itself gives: set the '
            "head's own arguments (groups, strides, group_channels, in_channels, metainfo)"
        )
    return dict(settings, **given)
