"""The page of `directpose web`, with a file that finds a person by the brightness."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from unittest.mock import MagicMock
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from directpose.cli import web
from directpose.errors import UserError
from directpose.pictures import PictureError
from directpose.runtime import DirectPose
from tests.conftest import ROOT
from tests.tiny_model import tiny_file

CHROMIUM = shutil.which('chromium')


@pytest.fixture
def model(tmp_path):
    return tiny_file(tmp_path / 'tiny.onnx')


@pytest.fixture
def picture(tmp_path):
    """A picture whose mean, 0.5, is the score of its person."""
    path = tmp_path / 'picture.png'
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:, ::2] = 1
    Image.fromarray(pixels).save(path)
    return path


def test_picture_is_drawn_and_written(model, picture, tmp_path):
    files = web.draw_picture(DirectPose(model), str(picture), str(tmp_path), 0, boxes=True)
    drawn = np.asarray(Image.open(files[0]))
    assert drawn.shape == (32, 64, 3) and (drawn > 1).any()
    assert len(json.loads(Path(files[1]).read_text())['people']) == 1


def test_people_with_a_lower_score_are_left_out(model, picture, tmp_path):
    files = web.draw_picture(DirectPose(model), str(picture), str(tmp_path), 1, scores=True)
    assert (np.asarray(Image.open(files[0])) <= 1).all()
    assert json.loads(Path(files[1]).read_text())['people'] == []


def test_keypoints_with_a_lower_score_are_left_out(tmp_path):
    model = DirectPose('directpose-tiny', threads=1)
    plain = np.asarray(Image.open(web.EXAMPLES[0]).convert('RGB'))
    for kpt_thr in (0, 1):
        files = web.draw_picture(model, str(web.EXAMPLES[0]), str(tmp_path), 0.6, kpt_thr=kpt_thr)
        assert (np.asarray(Image.open(files[0])) == plain).all() == (kpt_thr == 1)


def test_what_is_no_clip_is_refused(model, picture, tmp_path):
    for path, message in ((tmp_path / 'no.mp4', 'no such file'), (picture, 'is not a video')):
        command = [str(path), '--model', str(model), '--out', str(tmp_path)]
        with pytest.raises(ValueError, match=message):
            web.draw_clip(command, str(tmp_path))


def test_a_clip_with_a_broken_piece_is_drawn(model, tmp_path):
    pytest.importorskip('av')
    from tests.test_runtime.test_video import damage_sound, write_video

    clip = write_video(tmp_path / 'clip.avi', num_frames=50, sound='adpcm_ms')
    for damaged in (False, True):
        folder = tmp_path / f'out-{damaged}'
        command = [str(clip), '--model', str(model), '--out', str(folder)]
        files, broken = web.draw_clip(command, str(folder))
        assert [Path(file).name for file in files] == ['clip.mp4', 'poses.jsonl']
        assert all(Path(file).is_file() for file in files) and broken == damaged
        damage_sound(clip)


def test_results_that_no_page_shows_are_deleted(tmp_path, monkeypatch):
    monkeypatch.setenv('GRADIO_TEMP_DIR', str(tmp_path))
    shown = None
    for _ in range(3):
        with web.replace_folder(shown) as folder:
            (Path(folder) / 'poses.png').touch()
            assert shown is None or Path(shown).is_dir()  # until the new results are there
        shown = folder
        assert [str(path) for path in tmp_path.iterdir()] == [shown]
    with pytest.raises(PictureError), web.replace_folder(shown):
        raise PictureError
    assert [str(path) for path in tmp_path.iterdir()] == [shown]
    web.forget(shown)
    assert not list(tmp_path.iterdir())


def test_what_is_no_picture_is_refused(model, tmp_path, monkeypatch, picture):
    hostile = tmp_path / 'hostile.jpg'
    hostile.write_text('<script>alert(1)</script>')
    with pytest.raises(PictureError):
        web.draw_picture(DirectPose(model), str(hostile), str(tmp_path), 0)
    monkeypatch.setattr(web, 'MAX_PIXELS', 100)
    with pytest.raises(PictureError):
        web.draw_picture(DirectPose(model), str(picture), str(tmp_path), 0)


def test_a_picture_that_the_model_does_not_take_is_refused_with_the_reason(
    model, picture, tmp_path, monkeypatch
):
    """Gradio shows the text of its own error, and of any other error the word "Error" alone."""
    refused = type('Refused', (Exception,), {})
    gradio = MagicMock(Error=lambda text, **_: refused(text))
    monkeypatch.setitem(sys.modules, 'gradio', gradio)
    monkeypatch.setenv('GRADIO_TEMP_DIR', str(tmp_path))
    web.build_page(web.parse_args(['--model', str(model)]))
    on_picture = gradio.on.call_args.args[1]
    assert Path(on_picture(str(picture), None, 0, 0, False, False)[0]).is_file()

    def fail(*_):
        raise UserError('the sizes of this file are fixed')

    monkeypatch.setattr(DirectPose, '__call__', fail)
    with pytest.raises(refused, match='the sizes of this file are fixed'):
        on_picture(str(picture), None, 0, 0, False, False)


def test_without_gradio_the_remedy_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'gradio', None)
    assert web.main([]) == 2
    assert "pip install 'directpose[web]'" in capsys.readouterr().err


def test_examples_are_drawn_people_whom_the_model_finds(tmp_path):
    assert len(web.EXAMPLES) == 2
    model = DirectPose('directpose-tiny', threads=1)
    for path in web.EXAMPLES:
        files = web.draw_picture(model, str(path), str(tmp_path), 0.6)
        assert len(json.loads(Path(files[1]).read_text())['people']) == 3


@pytest.mark.parametrize(
    'words, message',
    [
        ('--port 0', 'give a whole number from 1 to 65535'),
        ('--max-size -1', 'give a whole number from 1'),
        ('--max-frames 0', 'give a whole number from 1'),
        ('--prot 80', 'did you mean --port?'),
        ('photo.jpg', "'photo.jpg' is one argument too many"),
    ],
)
def test_wrong_arguments_are_named(words, message, capsys):
    with pytest.raises(SystemExit, match='^2$'):
        web.main(words.split())
    assert message in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(monkeypatch, capsys):
    class Page:
        def launch(self, **_):
            raise OSError('Cannot find empty port')

    monkeypatch.setattr(web, 'build_page', lambda args: Page())
    assert web.main(['--port', '8000']) == 2
    printed = capsys.readouterr().err
    assert printed.startswith('error: ') and 'port 8000: another program uses the port' in printed


def test_the_page_has_no_public_address(monkeypatch, capsys):
    class Page:
        local_url = 'http://127.0.0.1:7860/'

        def launch(self, **options):
            self.options = options

        def block_thread(self):
            assert self.options['server_name'] == '127.0.0.1'
            assert self.options['share'] is False
            assert os.environ['GRADIO_ANALYTICS_ENABLED'] == 'False'

    monkeypatch.setenv('GRADIO_SHARE', 'true')
    monkeypatch.setenv('GRADIO_ANALYTICS_ENABLED', 'True')
    monkeypatch.setattr(web, 'build_page', lambda args: Page())
    assert web.main([]) == 0
    assert 'open http://127.0.0.1:7860/ in a browser' in capsys.readouterr().out


def test_sigterm_leaves_no_files_of_people(monkeypatch):
    class Page:
        local_url = 'http://127.0.0.1:7860/'

        def launch(self, **_):
            self.folder = Path(os.environ['GRADIO_TEMP_DIR'])
            (self.folder / 'photo.jpg').write_text('of somebody')

        def block_thread(self):  # as Gradio's
            with suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(10)

    page = Page()
    monkeypatch.setattr(web, 'build_page', lambda args: page)
    assert web.main([]) == 0
    assert not page.folder.exists()


def test_the_page_asks_itself_past_a_proxy(monkeypatch):
    class Page:
        local_url = 'http://127.0.0.1:7860/'

        def launch(self, **_):
            assert urllib.request.proxy_bypass_environment('127.0.0.1')
            assert urllib.request.proxy_bypass_environment('intranet.example')
            assert not urllib.request.proxy_bypass_environment('example.org')

        def block_thread(self):
            pass

    monkeypatch.setenv('http_proxy', 'http://127.0.0.1:1')
    monkeypatch.setenv('no_proxy', 'intranet.example')
    monkeypatch.setattr(web, 'build_page', lambda args: Page())
    assert web.main([]) == 0


@pytest.fixture(scope='module')
def server(tmp_path_factory):
    """The address of a page that is served, and the folder of its files and its output."""
    missing = [n for n in ('gradio', 'playwright') if importlib.util.find_spec(n) is None]
    missing += [] if CHROMIUM else ['chromium']
    if missing:
        pytest.skip(f'needs {", ".join(missing)}')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp('server')
    model = tiny_file(folder / 'tiny.onnx')
    log = open(folder / 'server.log', 'w')
    process = subprocess.Popen(
        [sys.executable, '-m', 'directpose', 'web', '--model', str(model), '--port', str(port)],
        cwd=ROOT,
        env={**os.environ, 'TMPDIR': str(folder)},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f'http://127.0.0.1:{port}'
    try:
        for _ in range(240):
            assert process.poll() is None, (folder / 'server.log').read_text()
            try:
                urlopen(address, timeout=2).close()
                break
            except (URLError, OSError):
                time.sleep(0.5)
        yield address, folder
    finally:
        process.terminate()
        process.wait(30)
        log.close()


@pytest.fixture
def page(server):
    """The page in a headless browser; no request may leave this machine."""
    from playwright.sync_api import sync_playwright

    elsewhere = []

    def watch(route):
        url = route.request.url
        if url.startswith((server[0], 'data:', 'blob:')):
            route.continue_()
        else:
            elsewhere.append(url)
            route.abort()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        page = browser.new_page(viewport=dict(width=1200, height=900))
        page.set_default_timeout(60_000)
        page.route('**/*', watch)
        page.goto(server[0])
        yield page
        browser.close()
    assert not elsewhere


def send(page, path, kind: str) -> None:
    """Choose a file as a visitor does; the kind is that of the field, image or video."""
    page.locator(f'input[type=file][accept*={kind}]').first.set_input_files(str(path))


@pytest.mark.slow
def test_a_picture_in_the_browser(page, server, picture):
    """Upload, slide, download, an example."""
    send(page, picture, 'image')
    link = page.locator('a[href$="poses.json"]').first
    link.wait_for()

    def people() -> int | None:
        """How many the page's file has; None while the page changes to another file."""
        try:
            with urlopen(link.get_attribute('href')) as answer:
                return len(json.load(answer)['people'])
        except HTTPError:
            return None

    assert people() == 1
    with page.expect_download() as download:
        page.locator('a[download="poses.png"]').first.click()
    assert Image.open(download.value.path()).size == (64, 32)
    assert page.get_by_text('least keypoint score').count() == 0  # this model rates none
    page.locator('input[type=range]').first.focus()
    page.keyboard.press('End')
    page.mouse.click(5, 5)
    for _ in range(240):
        if people() == 0:
            break
        page.wait_for_timeout(250)
    assert people() == 0
    for name in ('poses.png', 'poses.json'):  # of the earlier results nothing is left
        assert len(list(server[1].glob(f'tmp*/**/{name}'))) == 1

    page.reload()
    examples = page.locator('.gallery-item')
    examples.last.wait_for()
    assert examples.count() == len(web.EXAMPLES)
    examples.first.click()
    page.locator('a[href$="poses.json"]').first.wait_for()


@pytest.mark.slow
def test_a_clip_in_the_browser(page, tmp_path):
    pytest.importorskip('av')
    from tests.test_runtime.test_video import write_video

    page.get_by_role('tab', name='Clip').click()
    find = page.get_by_role('button', name='Find poses')
    find.click()
    page.get_by_text('choose a clip first').first.wait_for()
    send(page, write_video(tmp_path / 'clip.mp4', sound='aac'), 'video')
    page.locator('video').first.wait_for()
    find.click()
    lines = page.locator('a[href$="poses.jsonl"]').first
    lines.wait_for()
    with urlopen(lines.get_attribute('href')) as answer:
        assert [json.loads(line)['frame'] for line in answer] == list(range(10))
    drawn = page.locator('video').last
    page.wait_for_function('film => film.readyState >= 2', arg=drawn.element_handle())
    assert drawn.evaluate('film => [film.videoWidth, film.videoHeight]') == [64, 48]


@pytest.mark.slow
def test_what_is_no_picture_and_no_clip_in_the_browser(page, server, tmp_path):
    hostile = tmp_path / 'hostile.png'
    hostile.write_text('<script>document.title = "taken"</script>')
    send(page, hostile, 'image')
    page.get_by_text('the file is not a picture of a known format').first.wait_for()
    page.get_by_role('tab', name='Clip').click()
    send(page, hostile.rename(tmp_path / 'hostile.mp4'), 'video')
    page.get_by_role('button', name='Find poses').click()
    page.get_by_text('this file is not a video that can be read').first.wait_for()
    assert page.title() == 'DirectPose'
    assert 'Traceback' not in (server[1] / 'server.log').read_text()
