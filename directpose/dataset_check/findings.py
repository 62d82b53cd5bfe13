"""All kinds of findings: how bad each one is, and what to do about it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from directpose.errors import UserError

LEVELS = ('error', 'warning', 'note')

# COCO's evaluation looks at the 20 best detections of an image (maxDets).
MAX_PEOPLE = 20

# An error breaks training or evaluation, or makes one of them silently wrong. A warning names data
# that are used, but maybe not as expected. A note names what is left out on purpose.
KINDS: dict[str, tuple[str, str]] = {
    # The metainfo.
    'metainfo': (
        'error',
        'Correct the metainfo file: keypoint_info with ids 0, 1, 2, ... and different names, each '
        '`swap` mutual, an entry of joint_weights and of sigmas for each keypoint (or sigmas=[]).',
    ),
    'sigmas-default': (
        'warning',
        'Nothing to do, unless you compare AP with the figures of others: then write their sigmas '
        'into the metainfo.',
    ),
    'flip-off': (
        'warning',
        'Name the mirrored keypoint in each `swap` of the metainfo, so that training and test-time '
        'augmentation mirror images; nothing to do if the keypoints have no left and right.',
    ),
    'flip-pair': (
        'warning',
        'Name the mirrored keypoint in `swap` of the metainfo; else the model learns left as right '
        'from mirrored images.',
    ),
    # Categories.
    'category': (
        'error',
        'Merge the categories into one with id 1: '
        'python tools/dataset_converters/merge_categories.py ANN OUT --name person',
    ),
    'category-unknown': (
        'error',
        'Add the category to `categories`, or correct `category_id`.',
    ),
    'keypoint-order': (
        'error',
        'Reorder keypoint_info, sigmas and joint_weights of the metainfo like `keypoints` of '
        'the category, or give the metainfo made for these data.',
    ),
    'keypoint-names': (
        'warning',
        'Make sure that they are the same points, and use the same names in both files.',
    ),
    'keypoint-never-labelled': (
        'warning',
        'Label it, or remove it from the data and the metainfo: no model can learn it.',
    ),
    # Ids.
    'duplicate-image-id': ('error', 'Give each image an id of its own.'),
    'duplicate-annotation-id': ('error', 'Give each annotation an id of its own.'),
    'duplicate-file-name': (
        'warning',
        'Merge the entries: each lacks the people of the others, and the image counts twice.',
    ),
    'annotation-id': ('warning', 'Number the annotations from 1.'),
    'image-unknown': (
        'error',
        'Add the image to `images`, correct `image_id`, or delete the annotation.',
    ),
    # Image files.
    'image-fields': ('error', 'Write file_name (text), width and height (pixels).'),
    'image-missing': (
        'error',
        'Put the file there, correct file_name, or give the folder that file_name is relative to.',
    ),
    'image-case': (
        'error',
        'Rename the file or correct file_name: upper and lower case differ on Linux.',
    ),
    'image-unreadable': ('error', 'Download or write the file again, or delete its entry.'),
    'image-size': (
        'error',
        'Replace the file by the one that was annotated, or correct width and height where the '
        'keypoints do fit the file.',
    ),
    'image-turned': (
        'warning',
        'Make sure that the annotations fit the upright image; it is better to save the image '
        'upright, without an EXIF orientation.',
    ),
    # Fields of annotations.
    'missing-bbox': ('error', 'Write bbox as [x, y, width, height] in pixels.'),
    'missing-keypoints': (
        'error',
        'Write keypoints as [x1, y1, v1, x2, ...]. COCO has them in person_keypoints_*.json, '
        'not in instances_*.json.',
    ),
    'missing-area': (
        'error',
        "Write the person's area in square pixels: that of the segmentation, or else 0.53 * "
        'width * height of the bbox. Where the metric is set to use_area=False, set the data set '
        'to use_area=False too, and check with --no-area.',
    ),
    'missing-iscrowd': ('error', 'Write "iscrowd": 0, or 1 for a region of many people.'),
    'missing-num_keypoints': ('error', 'Write the number of keypoints with v > 0.'),
    'malformed': (
        'error',
        'Write bbox as [x, y, width, height], keypoints as one flat list [x1, y1, v1, x2, ...], '
        'iscrowd as 0 or 1, all numbers; the keypoints of a category are a list of names.',
    ),
    'not-a-number': (
        'error',
        'Write finite numbers in pixels, up to a million; a keypoint that is not labelled is 0, 0, '
        '0.',
    ),
    'area': ('error', 'Write the area as a number, in square pixels.'),
    'area-empty': (
        'warning',
        'Write the area in square pixels: OKS is relative to the area, so nothing matches a '
        'person without one.',
    ),
    # Keypoints and boxes.
    'keypoint-count': (
        'error',
        'Give the metainfo made for these data: metainfo=dict(from_file=...) of the data set in '
        'the config, --metainfo of tools/check_dataset.py. Or write all keypoints of the metainfo, '
        '0, 0, 0 for one that is not labelled.',
    ),
    'keypoint-visibility': (
        'error',
        'Write v = 0 (not labelled), 1 (occluded) or 2 (visible).',
    ),
    'keypoint-outside': (
        'warning',
        'Correct the coordinates (original pixels), or set v = 0.',
    ),
    'keypoints-off-bbox': (
        'warning',
        'Write keypoints and bbox in original pixels, both from the top left corner of the image.',
    ),
    'num_keypoints': ('warning', 'Write the number of keypoints with v > 0.'),
    'bbox-empty': (
        'warning',
        'Write bbox as [x, y, width, height]; for MMPose a person without a box is invalid.',
    ),
    'bbox-outside': (
        'warning',
        'Write bbox as [x, y, width, height], not as two corners, in original pixels.',
    ),
    # What is left out.
    'crowd': (
        'note',
        'Nothing to do: training drops crowd regions, and evaluation does not ask for them.',
    ),
    'no-keypoints': (
        'note',
        'Nothing to do, or label them: training drops people without a labelled keypoint, and '
        'evaluation does not ask for them.',
    ),
    'image-without-annotations': (
        'note',
        'Nothing to do: training drops the image unless filter_cfg has keep_negatives=True, '
        'evaluation uses it.',
    ),
    'image-few-keypoints': (
        'note',
        'Nothing to do, or lower min_labelled_keypoints in the config: training drops the '
        'image, evaluation uses it.',
    ),
    'image-small-boxes': (
        'note',
        'Nothing to do, or lower min_bbox_size in the config: training drops the image, '
        'evaluation uses it.',
    ),
    'nothing-to-train': (
        'error',
        'Annotate the images. If they are annotated, the notes on them say why each is dropped. '
        'Where they have few keypoints, lower min_labelled_keypoints in the config, and '
        '--min-keypoints here: 1 keeps every image with a labelled keypoint.',
    ),
    'many-people': (
        'warning',
        'Split the image, or raise maxDets of the evaluation: AP cannot reach 1, because only '
        f'the {MAX_PEOPLE} best detections of an image count.',
    ),
}

EVALUATION_ONLY = frozenset({'missing-area', 'missing-iscrowd', 'missing-num_keypoints', 'area'})
"""Errors in fields that training does not read."""


class DatasetError(UserError):
    """A data set that cannot be used. The message says what was found, where, and the remedy."""


class Finding(NamedTuple):
    """Something that a check has found.

    Attributes:
        level (str): ``'error'``, ``'warning'`` or ``'note'``.
        kind (str): A key of ``KINDS``.
        where (str): The entry, by its id and file.
        message (str): What was found there.
        remedy (str): What to do about it.
    """

    level: str
    kind: str
    where: str
    message: str
    remedy: str


def finding(kind: str, where: object, message: str) -> Finding:
    """A finding with the level and remedy of its kind."""
    level, remedy = KINDS[kind]
    return Finding(level, kind, _printable(where), _printable(message), remedy)


def _printable(text: object) -> str:
    """Text of a file without the half characters that no terminal can print."""
    return str(text).encode('utf-8', 'backslashreplace').decode('utf-8')


def describe(findings: Iterable[Finding], limit: int = 5) -> Iterator[str]:
    """Describe findings: a line for each kind, then indented examples and the remedy.

    Args:
        findings (Iterable[Finding]): What was found.
        limit (int): Examples of each kind. Defaults to 5.
    """
    of_kind = defaultdict(list)
    for found in findings:
        of_kind[found.kind].append(found)
    kinds = [kind for kind in KINDS if kind in of_kind]
    for kind in sorted(kinds, key=lambda kind: LEVELS.index(KINDS[kind][0])):
        level, remedy = KINDS[kind]
        yield f'{level}: {kind} ({len(of_kind[kind])})'
        for found in of_kind[kind][:limit]:
            yield f'  {found.where}: {found.message}'
        if len(of_kind[kind]) > limit:
            yield f'  ... and {len(of_kind[kind]) - limit} more'
        yield f'  -> {remedy}'
