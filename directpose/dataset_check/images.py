"""Checks of the image files."""

import os
import os.path as osp
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from directpose.pictures import MAX_PIXELS, PictureError, read_size

from .annotations import KeypointAnnotations, name_of, size_of
from .findings import Finding, finding


def check_image_files(
    data: KeypointAnnotations, decode: bool, progress: Callable, max_pixels: int = MAX_PIXELS
) -> Iterator[Finding]:
    """Whether each image is there, whole, and of the size written."""
    found, present = _look_for_files(data)
    yield from found
    check = partial(check_image_file, img_dir=data.img_dir, decode=decode, max_pixels=max_pixels)
    with ThreadPoolExecutor() as pool:
        for findings in progress(pool.map(check, present), total=len(present)):
            yield from findings


def check_image_paths(data: KeypointAnnotations) -> Iterator[Finding]:
    """Whether each image has a name, a size and a file, which is not opened."""
    yield from _look_for_files(data)[0]


def _look_for_files(data: KeypointAnnotations) -> tuple[list[Finding], list[dict]]:
    """What is wrong with the entries of images, and the entries whose file is there."""
    findings, present, absent, listings = [], [], [], {}
    for image in data.images:
        name = image.get('file_name')
        if not isinstance(name, str) or not name or size_of(image) is None:
            fields = [f'{key} is {image.get(key)!r:.80}' for key in _IMAGE_FIELDS]
            findings.append(finding('image-fields', name_of(image), ', '.join(fields)))
            continue
        folder, base = osp.split(osp.normpath(name))
        if folder not in listings:
            listings[folder] = _list(osp.join(data.img_dir, folder))
        # A listing has the true case, where `isfile` may not care (macOS, Windows).
        (present if base in listings[folder] else absent).append(image)
    if absent:
        files = _files_by_name(data.img_dir)
        findings += [_missing(image, data.img_dir, files) for image in absent]
    return findings, present


_IMAGE_FIELDS = ('file_name', 'width', 'height')


def _list(folder: str) -> set[str]:
    try:
        return set(os.listdir(folder))
    except (OSError, ValueError):  # no such folder; a name that none can have
        return set()


def _files_by_name(root: str) -> dict[str, list[str]]:
    """All files below a folder, relative to it, by their base name in lower case."""
    files, seen = defaultdict(list), set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = osp.realpath(folder)
        if real in seen:  # a link that leads back
            subfolders.clear()
            continue
        seen.add(real)
        for name in names:
            files[name.casefold()].append(osp.relpath(osp.join(folder, name), root))
    return files


def _missing(image: dict, img_dir: str, files: dict[str, list[str]]) -> Finding:
    where, name = name_of(image), image['file_name']
    alike = files.get(osp.basename(name.replace('\\', '/')).casefold(), [])
    for other in alike:
        if other.casefold() == osp.normpath(name).casefold():
            return finding('image-case', where, f'the file is {other}')
    hint = f'; a file of that name is {alike[0]}' if alike else ''
    if '\\' in name:
        hint += '; file_name has backslashes, as Windows writes them: write / between folders'
    path = osp.join(img_dir, name)
    return finding('image-missing', where, f'there is no file {path}{hint}')


def check_image_file(
    image: dict, img_dir: str, decode: bool, max_pixels: int = MAX_PIXELS
) -> list[Finding]:
    """Findings about the file of one image.

    Args:
        image (dict): The entry of the image, with its name and size.
        img_dir (str): The folder of images.
        decode (bool): Whether to decode the image too.
        max_pixels (int): An image of more pixels is refused.
    """
    where, written = name_of(image), size_of(image)
    try:
        size, orientation = read_size(osp.join(img_dir, image['file_name']), max_pixels, decode)
    except PictureError as error:
        return [finding('image-unreadable', where, str(error))]
    turned = f'EXIF orientation {orientation} turns or mirrors it when it is read'
    if size != written:
        hint = f' ({turned})' if orientation > 4 else ''
        return [
            finding(
                'image-size',
                where,
                f'is {written[0]} x {written[1]}, but its file {size[0]} x {size[1]}{hint}',
            )
        ]
    return [finding('image-turned', where, turned)] if orientation > 1 else []
