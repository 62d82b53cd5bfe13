"""Find picture files, read their sizes before they are decoded, and decode them.

Needs Pillow and numpy only.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike

import numpy as np

from .errors import UserError

MAX_PIXELS = 250_000_000
"""A picture of more pixels is refused before it is decoded. 250 million take 0.75 GB as RGB."""

ENDINGS = frozenset(
    '.bmp .dib .gif .jfif .jp2 .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp'.split()
)
"""Files of a folder count as pictures by these endings, in lower case."""

_FORMATS = ('BMP', 'DIB', 'GIF', 'JPEG', 'JPEG2000', 'PNG', 'PPM', 'TIFF', 'WEBP')
"""Pillow's names of the formats that are read.

MPO, the format of some cameras, is read as JPEG. Other formats can hold a picture of any further
format, without a limit of pixels, or a program that Pillow runs by Ghostscript.
"""

_ORIENTATION = 0x0112  # the EXIF tag
_pillow_limit = threading.Lock()


class PictureError(UserError):
    """A file that cannot be used as a picture. The message names the file and the reason."""


def find_pictures(folder: str | PathLike) -> tuple[list[str], list[str]]:
    """List the pictures that lie directly in a folder.

    Args:
        folder (str | PathLike): The folder.

    Returns:
        tuple[list[str], list[str]]: The paths of the pictures, in the order of their names, and the
        names of all other entries, which are folders or have no ending of a picture
        (``Thumbs.db``). A broken link with such an ending counts as a picture, and reading it
        raises an error.

    Raises:
        OSError: If the folder cannot be listed.
    """
    pictures: list[str] = []
    others: list[str] = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        is_picture = os.path.splitext(name)[1].lower() in ENDINGS and not os.path.isdir(path)
        (pictures if is_picture else others).append(path if is_picture else name)
    return pictures, others


def result_names(paths: Sequence[str | PathLike]) -> list[str]:
    """Give each picture a name for its result, without an ending and without doubles.

    The name is that of the file without its ending. If another picture already has this name
    (``a.jpg`` and ``a.png``), it is the whole name of the file, followed by a number if needed.
    Names that differ only in upper and lower case count as the same.

    Args:
        paths (Sequence[str | PathLike]): The pictures.

    Returns:
        list[str]: A name for each picture.
    """
    names, taken = [], set()
    for path in paths:
        base = os.path.basename(os.fspath(path))
        name, number = os.path.splitext(base)[0], 1
        while name.casefold() in taken:
            name = base if number == 1 else f'{base}-{number}'
            number += 1
        taken.add(name.casefold())
        names.append(name)
    return names


def read_size(
    path: str | PathLike, max_pixels: int = MAX_PIXELS, decode: bool = False
) -> tuple[tuple[int, int], int]:
    """Read the size of a picture, as it is after its EXIF orientation is applied.

    Args:
        path (str | PathLike): The picture.
        max_pixels (int): A picture of more pixels is refused. Defaults to ``MAX_PIXELS``.
        decode (bool): Whether to decode the picture too, which finds a file that is cut off.
            If the format allows, the picture is decoded at 1/8 of its size, which is faster and
            still needs all of its data. Defaults to False.

    Returns:
        tuple: Width and height, and the orientation (1 to 8, 1 is upright).

    Raises:
        PictureError: If the file cannot be read, is not a picture, or is too large.
    """
    from PIL import Image

    with _open(path, max_pixels) as image:
        width, height = image.size
        is_turned_by_pillow = image.format == 'TIFF'
        if decode:
            _check_end(path, image.format)
            image.draft('RGB', (1, 1))
            image.load()
            exif = image.getexif()
        else:
            exif = Image.Image.getexif(image)  # that of PNG would decode the picture
        orientation = exif.get(_ORIENTATION, 1)
    if orientation not in range(1, 9):  # readers ignore other values, and texts
        orientation = 1
    turned = orientation in (5, 6, 7, 8) and not is_turned_by_pillow
    return ((height, width) if turned else (width, height)), orientation


def read_picture(path: str | PathLike, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read a picture as OpenCV reads it: upright, in colour, without its alpha channel.

    For an animation this is the first picture. Channels of 16 bits become 8 bits.

    Args:
        path (str | PathLike): The picture.
        max_pixels (int): A picture of more pixels is refused. Defaults to ``MAX_PIXELS``.

    Returns:
        np.ndarray: (H, W, 3) uint8, BGR.

    Raises:
        PictureError: If the file cannot be read, is not a picture, or is too large.
    """
    from PIL import ImageOps

    with _open(path, max_pixels) as image:
        _check_end(path, image.format)
        image.load()
        return pixels_of(ImageOps.exif_transpose(image))


def has_more(path: str | PathLike) -> bool:
    """Whether a file has more pictures than the first: animations, and TIFF files of many pages.

    Args:
        path (str | PathLike): A picture that can be read. Its later pictures may be broken.
    """
    try:
        with _open(path, MAX_PIXELS) as image:
            if image.format in ('JPEG', 'MPO'):  # MPO has a small copy, or the other eye's picture
                return False
            image.seek(1)
    except PictureError as error:
        return not isinstance(error.__context__, EOFError)
    return True


def pixels_of(picture) -> np.ndarray:
    """Convert a picture of Pillow to an array as OpenCV has it, without its alpha channel.

    Args:
        picture (PIL.Image.Image): In any mode. Channels of 16 bits become 8 bits.

    Returns:
        np.ndarray: (H, W, 3) uint8, BGR.

    Raises:
        ValueError: If there are no pixels, or if they are fractions, whose range nobody knows.
    """
    if 0 in picture.size:
        raise ValueError(f'the picture has {picture.width} x {picture.height} pixels')
    if picture.mode == 'F':
        raise ValueError('the pixels are fractions; save it with 8 bits for each channel')
    if picture.mode.startswith('I'):  # 16 bits of grey, which convert() would cut off at 255
        grey = (np.asarray(picture).clip(0, 65535) >> 8).astype(np.uint8)  # (H, W)
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode == 'P':  # Pillow would warn of transparent colours in a palette
        picture = picture.convert('RGBA')
    return np.ascontiguousarray(np.asarray(picture.convert('RGB'))[..., ::-1])


def _check_end(path: str | PathLike, file_format: str) -> None:
    """Check that a PNG has its last chunk. Pillow decodes a PNG without it, but OpenCV does not."""
    if file_format != 'PNG':
        return
    with open(path, 'rb') as file:
        file.seek(8)
        kind = b''
        while kind != b'IEND':
            header = file.read(8)
            if len(header) < 8:
                raise PictureError(f'{path}: the picture cannot be read (it is cut off)')
            kind = header[4:]
            file.seek(int.from_bytes(header[:4]), os.SEEK_CUR)
            if len(file.read(4)) < 4:  # the checksum
                raise PictureError(f'{path}: the picture cannot be read (it is cut off)')


def _pillow_open(path: str | PathLike):
    """Open a picture without Pillow's limit of pixels, which cannot be passed as an argument."""
    from PIL import Image

    with _pillow_limit:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path, formats=_FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def _open(path: str | PathLike, max_pixels: int) -> Iterator:
    """Open a picture with Pillow, and turn whatever goes wrong with it into a PictureError."""
    from PIL import UnidentifiedImageError

    if not os.path.lexists(path):
        raise PictureError(f'{path}: there is no such file')
    if os.path.isdir(path):
        raise PictureError(f'{path}: it is a folder, not a picture')
    if os.path.exists(path) and not os.path.isfile(path):  # reading may wait for ever
        raise PictureError(f'{path}: it is a pipe or a device, not a picture')
    try:
        with _pillow_open(path) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise PictureError(
                    f'{path}: it has {width} x {height} pixels, more than the limit of '
                    f'{max_pixels:,}; shrink the picture'
                )
            yield image
    except PictureError:
        raise
    except UnidentifiedImageError:
        known = f'is not a picture of a known format ({", ".join(_FORMATS)})'
        what = known if os.path.getsize(path) else 'is empty'
        raise PictureError(f'{path}: the file {what}') from None
    except Exception as error:  # Pillow's many formats raise as many kinds
        text = getattr(error, 'strerror', None) or error
        raise PictureError(f'{path}: the picture cannot be read ({text})') from error
