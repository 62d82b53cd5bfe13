"""Checks of what the keypoints are: the metainfo, and the file's categories against it."""

from collections import Counter
from collections.abc import Iterator

from mmengine.utils import is_list_of

from directpose.metainfo import DEFAULT_SIGMA

from .annotations import KEYPOINT_LISTS, KeypointAnnotations
from .findings import Finding, finding


def check_metainfo(data: KeypointAnnotations) -> Iterator[Finding]:
    """Whether the metainfo agrees with itself, and left and right are mirrored."""
    meta, where, names = data.metainfo, data.metainfo_file, data.keypoint_names
    ids = list(meta['keypoint_id2name'])
    if ids != list(range(len(names))):
        yield finding('metainfo', where, f'the ids of keypoint_info are {ids}, not 0, 1, 2, ...')
    for name, count in Counter(names).items():
        if count > 1:
            yield finding('metainfo', where, f'{count} keypoints are named {name}')
    lists = {'sigmas': meta['sigmas'], 'joint_weights': meta['dataset_keypoint_weights']}
    if len(meta['sigmas']) == 0:
        del lists['sigmas']
        yield finding(
            'sigmas-default', where, f'sigmas is empty: each keypoint has {DEFAULT_SIGMA}'
        )
    for name, values in lists.items():
        if len(values) != len(names):
            yield finding(
                'metainfo',
                where,
                f'{name} has {len(values)} entries, keypoint_info {len(names)}',
            )
    if not meta['flip_pairs']:
        yield finding('flip-off', where, 'no keypoint has a `swap`, so that no image is mirrored')
        return
    id2name = meta['keypoint_id2name']
    swap = {name: id2name[other] for name, other in zip(names, meta['flip_indices'], strict=True)}
    for name, other in swap.items():
        if swap[other] != name:
            yield finding(
                'metainfo', where, f'{name} swaps with {other}, but {other} with {swap[other]}'
            )
        mirrored = name.replace('left', 'right')
        if other == name != mirrored and mirrored in names:
            yield finding('flip-pair', where, f'{name} and {mirrored} are not swapped')


def check_categories(data: KeypointAnnotations) -> Iterator[Finding]:
    """Whether the categories can be scored, and name the keypoints of the metainfo."""
    names = data.keypoint_names
    for category in data.categories:
        where, listed = f'category {category["id"]}', category.get('keypoints')
        if listed is None or listed == []:  # the format does not demand them
            continue
        if not is_list_of(listed, str):
            yield finding('malformed', where, f'keypoints is {str(listed)[:80]}')
            continue
        expected = names
        if len(data.keypoint_fields) > 1 and len(listed) == KEYPOINT_LISTS['keypoints']:
            expected = names[: len(listed)]  # COCO-WholeBody names those of the body alone
        differing = [
            f'{index}: {ours} / {theirs}'
            for index, (ours, theirs) in enumerate(zip(listed, expected, strict=False))
            if ours != theirs
        ]
        if len(listed) != len(expected):
            yield finding(
                'keypoint-count',
                where,
                f'names {len(listed)} keypoints, {data.metainfo_file} has {len(names)}',
            )
        elif differing:
            yield finding(
                'keypoint-order' if sorted(listed) == sorted(expected) else 'keypoint-names',
                where,
                f'file / metainfo differ: {", ".join(differing)}',
            )
    known = {category['id'] for category in data.categories}
    for person in data.people:
        if person.ann['category_id'] not in known:
            yield finding(
                'category-unknown',
                person,
                f'category_id {person.ann["category_id"]} is not in `categories`',
            )
    used = Counter(person.ann['category_id'] for person in data.people)
    for category_id in sorted(set(used) & known - {1}):
        yield finding(
            'category',
            f'category {category_id}',
            f'{used[category_id]} annotations; the evaluation of bottom-up models writes '
            'category 1 on every detection, so that none of them is ever found',
        )
