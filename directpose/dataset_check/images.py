"""Checks of the image files."""

import os
import os.path as osp
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from PIL import ExifTags, Image

from .annotations import KeypointAnnotations, name_of, size_of
from .findings import Finding, finding


def check_image_files(
    data: KeypointAnnotations, decode: bool, progress: Callable
) -> Iterator[Finding]:
    """Whether each image is there, whole, and of the size written."""
    listing = defaultdict(list)
    for folder, _, names in os.walk(data.img_dir, followlinks=True):
        for name in names:
            path = osp.relpath(osp.join(folder, name), data.img_dir)
            listing[name.casefold()].append(path)
    check = partial(_check_image_file, data.img_dir, listing, decode)
    with ThreadPoolExecutor() as pool:
        for findings in progress(pool.map(check, data.images), total=len(data.images)):
            yield from findings


def _check_image_file(
    img_dir: str, listing: dict[str, list[str]], decode: bool, image: dict
) -> list[Finding]:
    """Findings about one image.

    Args:
        img_dir (str): The folder of images.
        listing (dict[str, list[str]]): Its files, relative to it, by their base name in lower
            case.
        decode (bool): Whether to decode the image, too.
        image (dict): The entry of the image.
    """
    where, name, written = name_of(image), image.get('file_name'), size_of(image)
    if not isinstance(name, str) or written is None:
        fields = [f'{key} is {image.get(key)!r}' for key in ('file_name', 'width', 'height')]
        return [finding('image-fields', where, ', '.join(fields))]
    path, name = osp.join(img_dir, name), osp.normpath(name)
    alike = listing.get(osp.basename(name).casefold(), [])
    # The listing has the true case, where `isfile` may not care (macOS, Windows).
    if name not in alike:
        for other in alike:
            if other.casefold() == name.casefold():
                return [finding('image-case', where, f'the file is {other}')]
        if not osp.isfile(path):
            hint = f'; a file of that name is {alike[0]}' if alike else ''
            return [finding('image-missing', where, f'there is no file {path}{hint}')]
    try:
        size, orientation = read_image(path, decode)
    except Exception as error:  # PIL's many formats raise as many kinds
        return [finding('image-unreadable', where, f'{path}: {error}')]
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


def read_image(path: str, decode: bool) -> tuple[tuple[int, int], int]:
    """Read an image's size as training will see it.

    Args:
        path (str): The image file.
        decode (bool): Whether to decode it: PIL's ``verify()`` passes a JPEG that is cut off.
            Where the format allows, it is decoded at 1/8 of its size, which is faster and still
            needs all of its data.

    Returns:
        tuple: Width and height after the EXIF orientation is applied, as mmcv does, and that
        orientation (1 to 8, 1 is upright).
    """
    with Image.open(path) as image:
        width, height = image.size
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        if decode:
            image.draft('RGB', (1, 1))
            image.load()
    return ((height, width) if orientation > 4 else (width, height)), orientation
