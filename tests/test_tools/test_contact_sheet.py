"""Sheets of pictures."""

import resource

import pytest
from PIL import Image

from tests.load_tool import load_tool

tool = load_tool('tools/analysis_tools/contact_sheet.py')


def test_every_picture_has_its_place_in_its_own_proportions(tmp_path):
    colours = ['red', 'lime', 'blue', 'black']
    for number, colour in enumerate(colours):
        size = (40, 20) if number < 2 else (40, 80)
        Image.new('RGB', size, colour).save(tmp_path / f'{number}.png')
    (tmp_path / 'notes.txt').write_text('no picture')
    out = tmp_path / 'out/sheet.png'
    out.parent.mkdir()
    tool.main([str(tmp_path), str(out), '--columns', '2', '--number', '3', '--width', '20'])
    sheet = Image.open(out)
    assert sheet.size == (2 * 26 + 6, 6 + 10 + 6 + 40 + 6)
    corners = [sheet.getpixel(at) for at in [(6, 6), (32, 6), (6, 22), (25, 61), (32, 22)]]
    red, lime, blue, white = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
    assert corners == [red, lime, blue, blue, white]  # the fourth picture is not wanted


def test_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(SystemExit, match='has no pictures'):
        tool.main([str(tmp_path), 'sheet.jpg'])


def test_broken_picture_is_named(tmp_path):
    (tmp_path / 'broken.jpg').write_text('no picture')
    with pytest.raises(SystemExit, match=r'broken\.jpg: the file is not a picture'):
        tool.main([str(tmp_path), str(tmp_path / 'sheet.png')])


def test_a_very_high_picture_is_made_narrower(tmp_path):
    Image.new('RGB', (1, 3000), 'red').save(tmp_path / 'line.png')
    out = tmp_path / 'out/sheet.png'
    out.parent.mkdir()
    tool.main([str(tmp_path), str(out), '--width', '20'])
    assert Image.open(out).size == (20 + 2 * 6, 60 + 2 * 6)


def test_a_sheet_that_cannot_be_written_is_named(tmp_path):
    """JPEG has a limit of pixels, and a disk may be full."""
    for number in range(140):
        Image.new('RGB', (20, 20), 'red').save(tmp_path / f'{number}.png')
    words = [str(tmp_path), str(tmp_path / 'sheet.jpg'), '--number', '140', '--columns', '1']
    with pytest.raises(SystemExit, match=r'sheet\.jpg: .* 524 x 72526 pixels'):
        tool.main(words)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(SystemExit, match=r'sheet\.jpg: .*File too large'):
            tool.main([*words, '--width', '8'])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
