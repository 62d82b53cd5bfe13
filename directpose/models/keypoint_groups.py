"""The keypoint groups of KPAlign. The keypoints of a group share one sampling position."""

from collections import Counter
from collections.abc import Sequence


def group_indices(
    groups: Sequence[Sequence[str]] | None,
    finest_groups: Sequence[Sequence[str]],
    metainfo: dict,
) -> tuple[list[list[int]], int]:
    """Turn groups of keypoint names into groups of keypoint indices.

    Args:
        groups (Sequence[Sequence[str]], optional): The keypoint names of each group. Each
            keypoint of the data set must be in exactly one group. None makes a single group of
            all keypoints.
        finest_groups (Sequence[Sequence[str]]): Those of the groups that sample the finest level.
        metainfo (dict): Metainfo of the data set, as
            ``mmpose.datasets.datasets.utils.parse_pose_metainfo`` returns it.

    Returns:
        tuple[list[list[int]], int]: The keypoint indices of each group, and the number of finest
        groups. The finest groups come before the others. The indices of a group have the order of
        its names.

    Raises:
        ValueError: If a name is unknown, is given twice or is missing, if a group is empty, or if
            one of ``finest_groups`` is not in ``groups``.
    """
    name2id = metainfo['keypoint_name2id']
    groups = [list(name2id)] if groups is None else [list(group) for group in groups]
    dataset = f'data set "{metainfo["dataset_name"]}" (K = {len(name2id)})'
    counts = Counter(name for group in groups for name in group)
    problems = []
    if unknown := [n for n in counts if n not in name2id]:
        problems.append(f'{unknown} are not keypoints of the {dataset}')
    if repeated := [n for n, count in counts.items() if count > 1]:
        problems.append(f'{repeated} stand in more than one place')
    if missing := [n for n in name2id if n not in counts]:
        problems.append(f'{missing} of the {dataset} are in no group')
    if empty := [i for i, group in enumerate(groups) if not group]:
        problems.append(f'groups {empty} are empty')
    if problems:
        raise ValueError(
            'keypoint groups do not fit: '
            + '; '.join(problems)
            + '. Give the head `groups`, a list of lists of keypoint names that '
            'holds each keypoint of its `metainfo` once'
        )
    finest = [list(group) for group in finest_groups]
    if strangers := [group for group in finest if group not in groups]:
        raise ValueError(
            f'finest_groups {strangers} are not among the keypoint groups {groups}: give the head '
            '`finest_groups`, those of its `groups` that read the finest level, or ()'
        )
    first = [group for group in groups if group in finest]
    ordered = first + [group for group in groups if group not in finest]
    return [[name2id[name] for name in group] for group in ordered], len(first)
