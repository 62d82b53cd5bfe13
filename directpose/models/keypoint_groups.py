"""Which keypoints share a feature: the groups of KPAlign, by keypoint names."""

from collections import Counter
from collections.abc import Sequence

# Paper section 3.2 and the original's order: keypoints that move together share a locator.
COCO_GROUPS = (
    ('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear'),
    ('left_shoulder',),
    ('left_elbow', 'left_wrist'),
    ('right_shoulder',),
    ('right_elbow', 'right_wrist'),
    ('left_hip',),
    ('left_knee', 'left_ankle'),
    ('right_hip',),
    ('right_knee', 'right_ankle'),
)


def group_indices(groups: Sequence[Sequence[str]] | None, metainfo: dict) -> list[list[int]]:
    """Turn groups of keypoint names into groups of keypoint indices.

    Args:
        groups (Sequence[Sequence[str]], optional): The names in each group; every keypoint of
            the data set belongs to exactly one. None makes a single group of them all.
        metainfo (dict): Parsed metainfo of the data set
            (``mmpose.datasets.datasets.utils.parse_pose_metainfo``).

    Returns:
        List[List[int]]: The indices in each group, in the order of the names.

    Raises:
        ValueError: If a name is unknown, stands twice or is missing, or if a group is empty; the
            message names it.
    """
    name2id = metainfo['keypoint_name2id']
    if groups is None:
        return [list(name2id.values())]
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
    return [[name2id[name] for name in group] for group in groups]
