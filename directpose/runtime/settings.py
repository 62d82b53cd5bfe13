"""What a model's file says of the steps around the network, checked when the file is opened."""

import json
from collections.abc import Callable, Mapping
from typing import Any

METADATA_KEY = 'directpose'
"""The key of the file's metadata for the settings of the steps around the network, as JSON."""

_REMEDY = 'export the model again with tools/deployment/export_onnx.py'

_LONGEST = 16_384
"""Input pixels. A larger input would need gigabytes before the network sees it."""


def _is_length(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _LONGEST


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _is_nms(value: Any) -> bool:
    """Whether the value is None, or what :func:`~directpose.runtime.nms.nms` takes."""
    if value is None:
        return True
    return (
        isinstance(value, dict)
        and set(value) == {'iou_threshold', 'offset', 'max_per_img'}
        and _is_share(value['iou_threshold'])
        and value['offset'] in (0, 1)
        and _is_count(value['max_per_img'])
    )


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _are_sigmas(value: Any) -> bool:
    """Whether the value is None, or a list of sigmas between generous limits.

    COCO's are from 0.025 to 0.107. Beyond the limits every OKS is 0 or 1.
    """
    return value is None or (
        isinstance(value, list)
        and all(type(sigma) in (int, float) and 1e-6 <= sigma <= 1e6 for sigma in value)
    )


def _are_links(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(link, list) and len(link) == 2 and all(type(k) is int and k >= 0 for k in link)
        for link in value
    )


_CHECKS: dict[str, Callable[[Any], bool]] = dict(
    short_side=_is_length,
    max_long_side=_is_count,
    pad_size_divisor=_is_length,
    score_thr=_is_share,
    nms=_is_nms,
    keypoint_names=_are_names,
    keypoint_sigmas=_are_sigmas,
    skeleton_links=_are_links,
)
"""The names of the settings, and what says whether a value is right."""


def read_settings(path: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Read the settings of the steps around the network from the metadata of a file.

    Args:
        path (str): The file, for messages.
        metadata (Mapping[str, str]): The file's metadata.

    Returns:
        dict[str, Any]: ``short_side``, ``max_long_side`` and ``pad_size_divisor`` in input pixels;
        ``score_thr``; ``nms``, the arguments of :func:`~directpose.runtime.nms.nms`, or None if
        NMS is a part of the network; K ``keypoint_names``; K ``keypoint_sigmas``, or None if the
        file has none, as in older files; ``skeleton_links``, pairs of keypoint indices.

    Raises:
        ValueError: If the file was not written by the export tool, or was changed since.
    """
    if METADATA_KEY not in metadata:
        raise ValueError(
            f'{path} was not written by tools/deployment/export_onnx.py: it lacks '
            f'the metadata "{METADATA_KEY}"; export the model with that tool'
        )
    try:
        settings = json.loads(metadata[METADATA_KEY])
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path}: its metadata "{METADATA_KEY}" is not JSON; {_REMEDY}') from error
    if not isinstance(settings, dict):
        settings = {}
    settings.setdefault('keypoint_sigmas', None)  # older files have no sigmas
    for name, is_right in _CHECKS.items():
        if name not in settings or not is_right(settings[name]):
            told = f'has {settings[name]!r:.80} for' if name in settings else 'lacks'
            raise ValueError(f'{path}: its metadata "{METADATA_KEY}" {told} {name}; {_REMEDY}')
    count = len(settings['keypoint_names'])
    if any(max(link) >= count for link in settings['skeleton_links']):
        raise ValueError(
            f'{path}: its metadata "{METADATA_KEY}" has skeleton_links of more than the {count} '
            f'keypoints that keypoint_names has; {_REMEDY}'
        )
    sigmas = settings['keypoint_sigmas']
    if sigmas is not None and len(sigmas) != count:
        raise ValueError(
            f'{path}: its metadata "{METADATA_KEY}" has {len(sigmas)} keypoint_sigmas for the '
            f'{count} keypoints that keypoint_names has; {_REMEDY}'
        )
    return settings
