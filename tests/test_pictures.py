"""Reading pictures: like OpenCV where they are sound, a clear error where they are not."""

import os
import struct
import subprocess
import sys
import warnings
import zlib
from functools import partial
from io import BytesIO

import mmcv
import numpy as np
import pytest
from PIL import ExifTags, Image

from directpose.pictures import (
    MAX_PIXELS,
    PictureError,
    find_pictures,
    read_picture,
    read_size,
    result_names,
)

WIDTH, HEIGHT = 37, 23


def pixels(channels=3, dtype=np.uint8):
    """A smooth picture, which lossy formats keep well."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    ramps = np.stack([x * 6, y * 10, (x + y) * 4, 255 - x * 5], axis=-1)[..., :channels]
    return ramps.astype(dtype).squeeze()


def saved(path, mode, **options):
    """Write the picture in one of Pillow's modes."""
    if mode == 'I;16':
        image = Image.fromarray(pixels(1, np.uint16) * 257)
    elif mode in ('RGBA', 'LA'):
        image = Image.fromarray(pixels(4)).convert(mode)
    else:
        image = Image.fromarray(pixels()).convert(mode)
    image.save(path, **options)
    return path


KINDS = {
    'grey.jpg': 'L',
    'colour.jpg': 'RGB',
    'cmyk.jpg': 'CMYK',
    'grey16.png': 'I;16',
    'alpha.png': 'RGBA',
    'grey_alpha.png': 'LA',
    'palette.png': 'P',
    'bits.png': '1',
    'colour.bmp': 'RGB',
    'colour.tiff': 'RGB',
    'grey16.tiff': 'I;16',
    'colour.webp': 'RGB',
    'palette.gif': 'P',
}


@pytest.mark.parametrize('name', KINDS)
def test_pixels_are_those_of_opencv(tmp_path, name):
    path = str(saved(tmp_path / name, KINDS[name]))
    ours, theirs = read_picture(path), mmcv.imread(path)
    assert ours.shape == (HEIGHT, WIDTH, 3) and ours.dtype == np.uint8
    # CMYK has no one way to RGB, and decoders of JPEG may differ by a step.
    tolerance = 40 if name == 'cmyk.jpg' else 3 if name.endswith(('jpg', 'webp')) else 0
    assert np.abs(ours.astype(int) - theirs).max() <= tolerance
    assert read_size(path, decode=True) == ((WIDTH, HEIGHT), 1)


def test_a_palette_with_transparent_colours_is_read_without_a_warning(tmp_path):
    path = str(saved(tmp_path / 'palette.png', 'P', transparency=bytes([0, 128])))
    with warnings.catch_warnings(action='error'):
        ours = read_picture(path)
    assert (ours == mmcv.imread(path)).all()


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('ending', ['jpg', 'png', 'tiff', 'webp'])
def test_exif_turns_a_picture_as_opencv_does(tmp_path, ending, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = str(saved(tmp_path / f'turned.{ending}', 'RGB', exif=exif))
    ours, theirs = read_picture(path), mmcv.imread(path)
    assert ours.shape == theirs.shape
    assert np.abs(ours.astype(int) - theirs).max() <= 3
    (width, height), found = read_size(path)
    assert (height, width, found) == (*ours.shape[:2], orientation)


@pytest.mark.parametrize('kind, value', [(3, 0), (3, 9), (2, ord('6'))])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path, kind, value):
    """Two wrong numbers, and a text."""
    entry = struct.pack('<HHHIIxxxx', 1, ExifTags.Base.Orientation, kind, 1, value)
    exif = b'Exif\0\0II*\0' + struct.pack('<I', 8) + entry
    path = str(saved(tmp_path / 'odd.jpg', 'RGB', exif=exif))
    assert Image.open(path).getexif()[ExifTags.Base.Orientation] not in range(1, 9)
    assert read_picture(path).shape == mmcv.imread(path).shape == (HEIGHT, WIDTH, 3)
    assert read_size(path) == ((WIDTH, HEIGHT), 1)


def test_an_animation_gives_its_first_picture(tmp_path):
    frames = [Image.fromarray(pixels()), Image.fromarray(255 - pixels())]
    for ending in ('gif', 'webp'):
        path = tmp_path / f'moving.{ending}'
        frames[0].save(path, save_all=True, append_images=frames[1:])
        assert np.abs(read_picture(path)[..., ::-1].astype(int) - pixels()).mean() < 20


def png_header(path, width, height):
    """A file of a few bytes that claims to be a large picture."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack('>I', len(data)) + body + struct.pack('>I', zlib.crc32(body))

    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    data = chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(b'')) + chunk(b'IEND', b'')
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + data)
    return path


def test_a_picture_over_the_limit_is_refused_before_it_is_decoded(tmp_path):
    bomb = png_header(tmp_path / 'bomb.png', 30_000, 30_000)
    for read in (read_picture, read_size):
        with pytest.raises(PictureError, match=r'30000 x 30000 .* limit of 250,000,000') as error:
            read(bomb)
        assert str(bomb) in str(error.value)
    # Pillow's own limit lies lower than ours, which a phone's 200 megapixels need.
    assert 13_500**2 < MAX_PIXELS
    large = png_header(tmp_path / 'large.png', 13_500, 13_500)
    assert read_size(large) == ((13_500, 13_500), 1)
    assert read_size(bomb, max_pixels=10**9)[0] == (30_000, 30_000)
    assert Image.MAX_IMAGE_PIXELS is not None


def in_iptc(content):
    """A picture of IPTC, which Pillow takes for 100 x 100 pixels, with a file inside."""

    def field(record, number, data):
        return bytes([0x1C, record, number]) + struct.pack('>H', len(data)) + data

    head = field(3, 60, b'\1\0') + field(3, 20, b'\0d') + field(3, 30, b'\0d')
    parts = [field(8, 10, content[i : i + 120]) for i in range(0, len(content), 120)]
    return head + field(3, 120, b'\5') + b''.join(parts) + field(9, 10, b'')


def damaged(tmp_path):
    """Files that are not pictures, with what the error says of each."""
    whole = saved(tmp_path / 'whole.jpg', 'RGB').read_bytes()
    (tmp_path / 'cut.jpg').write_bytes(whole[: len(whole) // 2])
    (tmp_path / 'empty.jpg').write_bytes(b'')
    (tmp_path / 'text.jpg').write_text('a picture')
    # Pillow would have Ghostscript run this program.
    program = b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n'
    (tmp_path / 'program.jpg').write_bytes(program)
    (tmp_path / 'wrapped.jpg').write_bytes(in_iptc(program))
    large = BytesIO()  # behind a small size that the wrapping file tells
    Image.new('L', (9000, 9000)).save(large, 'PNG')
    (tmp_path / 'large.jpg').write_bytes(in_iptc(large.getvalue()))
    (tmp_path / 'folder.jpg').mkdir()
    os.mkfifo(tmp_path / 'pipe.jpg')
    (tmp_path / 'loop.jpg').symlink_to('loop.jpg')
    (tmp_path / 'dangling.jpg').symlink_to('nowhere.jpg')
    Image.fromarray(np.zeros((3, 4), np.float32)).save(tmp_path / 'float.tiff')
    return {
        'cut.jpg': 'cannot be read',
        'empty.jpg': 'is empty',
        'text.jpg': 'known format',
        'program.jpg': 'known format',
        'wrapped.jpg': 'known format',
        'large.jpg': 'known format',
        'folder.jpg': 'a folder',
        'pipe.jpg': 'a pipe',
        'loop.jpg': 'cannot be read',
        'dangling.jpg': 'cannot be read',
        'float.tiff': 'fractions',
        'missing.jpg': 'no such file',
    }


def test_a_broken_picture_is_named_with_the_reason(tmp_path):
    for name, reason in damaged(tmp_path).items():
        with pytest.raises(PictureError, match=reason) as error:
            read_picture(tmp_path / name)
        assert str(tmp_path / name) in str(error.value)


@pytest.mark.parametrize('name', KINDS)
def test_a_file_that_is_cut_off_is_refused_where_opencv_refuses_it(tmp_path, name):
    path = saved(tmp_path / name, KINDS[name])
    content = path.read_bytes()
    lengths = [len(content) * part // 10 for part in range(10)]
    if name.endswith('png'):
        lengths.append(len(content) - 1)
    for length in lengths:
        path.write_bytes(content[:length])
        theirs = mmcv.imread(str(path)) is not None if length else False
        for read in (read_picture, partial(read_size, decode=True)):
            try:
                read(path)
                assert theirs, length
            except PictureError:
                assert not theirs, length


def test_a_folder_lists_its_pictures_and_tells_the_rest(tmp_path):
    damaged(tmp_path)
    (tmp_path / 'Thumbs.db').write_bytes(b'x')
    (tmp_path / 'README').write_bytes(b'x')
    (tmp_path / 'UPPER.JPG').write_bytes(b'x')
    pictures, others = find_pictures(tmp_path)
    assert [path.removeprefix(f'{tmp_path}/') for path in pictures] == [
        'UPPER.JPG', 'cut.jpg', 'dangling.jpg', 'empty.jpg', 'float.tiff', 'large.jpg', 'loop.jpg',
        'pipe.jpg', 'program.jpg', 'text.jpg', 'whole.jpg', 'wrapped.jpg',
    ]  # fmt: skip
    assert others == ['README', 'Thumbs.db', 'folder.jpg']


def test_every_picture_has_a_result_of_its_own():
    paths = ['a.jpg', 'a.png', 'b/a.png', 'A.JPG', 'b.jpg', 'no_ending', 'a.png.jpg']
    names = result_names(paths)
    assert names[:5] == ['a', 'a.png', 'a.png-2', 'A.JPG', 'b']
    assert len({name.casefold() for name in names}) == len(paths)


def test_needs_no_framework():
    code = (
        'import sys, directpose.pictures; '
        "sys.exit(any(name in sys.modules for name in ('torch', 'mmcv', 'cv2')))"
    )
    # `directpose` itself registers its parts where MMPose is installed.
    block = "import sys; sys.modules['mmpose'] = None; "
    done = subprocess.run([sys.executable, '-c', block + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
