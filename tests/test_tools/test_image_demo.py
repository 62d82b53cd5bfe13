"""The demo's command line, on drawn pictures."""

import http.server
import json
import threading
from contextlib import contextmanager
from functools import partial

import cv2
import pytest
import torch

from directpose.analysis import Subject, write_picture
from directpose.cli.config import read_config
from tests.load_tool import run_tool

TINY = 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py'


demo = partial(run_tool, 'demo/image_demo.py')


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A model that sees people everywhere."""
    torch.manual_seed(0)
    model = Subject(read_config(TINY)).model
    torch.nn.init.constant_(model.head.conv_cls.bias, 3.0)
    torch.nn.init.constant_(model.head.conv_centerness.bias, 3.0)
    path = tmp_path_factory.mktemp('model') / 'model.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


@contextmanager
def served(folder):
    """The address of a folder on this machine."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    for name, size in (('one', (120, 160)), ('two', (160, 120))):
        write_picture(str(folder / f'{name}.jpg'), size)
    return folder


@pytest.mark.parametrize('options', [[], ['--optimize', 'fp32']])
def test_draws_and_writes_what_it_finds(checkpoint, pictures, tmp_path, options):
    out = tmp_path / 'poses'
    demo(pictures, TINY, checkpoint, '--out-dir', out, '--device', 'cpu', *options)
    for name in ('one', 'two'):
        drawn = cv2.imread(str(out / f'visualizations/{name}.jpg'))
        assert drawn.shape == cv2.imread(str(pictures / f'{name}.jpg')).shape
        people = json.loads((out / f'predictions/{name}.json').read_text())
        assert people and len(people[0]['keypoints']) == 17


def test_weights_of_another_model_are_refused(pictures, tmp_path):
    other = tmp_path / 'other.pth'
    torch.save(dict(state_dict=dict(weight=torch.zeros(1))), other)
    with pytest.raises(SystemExit, match='other.pth: lacks .* weights'):
        demo(pictures, TINY, other, '--out-dir', tmp_path / 'poses')


def test_a_folder_without_pictures_is_refused(checkpoint, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(SystemExit, match='empty has no pictures'):
        demo(tmp_path / 'empty', TINY, checkpoint, '--out-dir', tmp_path / 'poses')


def test_what_is_missing_is_named(checkpoint, tmp_path):
    with pytest.raises(SystemExit, match='gone.jpg: does not exist'):
        demo(tmp_path / 'gone.jpg', TINY, checkpoint)


def test_a_checkpoint_may_be_an_address(checkpoint, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    with served(checkpoint.parent) as address:
        demo(pictures, TINY, f'{address}/model.pth', '--out-dir', tmp_path / 'poses')
    assert len(list((tmp_path / 'poses/visualizations').iterdir())) == 2


def test_a_checkpoint_without_the_heatmap_branch_is_enough(checkpoint, pictures, tmp_path):
    weights = torch.load(checkpoint)['state_dict']
    slim = tmp_path / 'slim.pth'
    torch.save(dict(state_dict={k: v for k, v in weights.items() if 'heatmap_head' not in k}), slim)
    demo(pictures, TINY, slim, '--out-dir', tmp_path / 'slim')
    demo(pictures, TINY, checkpoint, '--out-dir', tmp_path / 'whole')
    for name in ('one', 'two'):
        slim_file, whole_file = (
            tmp_path / f'{run}/predictions/{name}.json' for run in ('slim', 'whole')
        )
        assert slim_file.read_text() == whole_file.read_text()


def test_drawn_people_have_at_least_the_score_that_was_asked_for(checkpoint, pictures, tmp_path):
    demo(pictures, TINY, checkpoint, '--out-dir', tmp_path / 'all', '--score-thr', 0)
    everybody = json.loads((tmp_path / 'all/predictions/one.json').read_text())
    scores = sorted(person['keypoint_scores'][0] for person in everybody)
    asked = (scores[len(scores) // 2 - 1] + scores[len(scores) // 2]) / 2
    demo(pictures, TINY, checkpoint, '--out-dir', tmp_path / 'half', '--score-thr', asked)
    half = json.loads((tmp_path / 'half/predictions/one.json').read_text())
    assert 0 < len(half) < len(everybody)
    assert sorted(person['keypoint_scores'][0] for person in half) == [
        score for score in scores if score >= asked
    ]


def test_keypoints_of_low_score_are_not_drawn_where_one_says_so(checkpoint, pictures, tmp_path):
    """The files of the predictions keep them."""
    picture, changed = pictures / 'one.jpg', []
    for threshold in (0, 0.999):
        out = tmp_path / f'poses-{threshold}'
        demo(picture, TINY, checkpoint, '--out-dir', out, '--kpt-thr', threshold)
        drawn, given = (
            cv2.imread(str(path)).astype(int) for path in (out / 'visualizations/one.jpg', picture)
        )
        changed.append((abs(drawn - given).max(axis=-1) > 40).mean())
        people = json.loads((out / 'predictions/one.json').read_text())
        assert people and len(people[0]['keypoints']) == 17
    assert changed[0] > 0.05 and changed[1] < 0.01


def test_one_broken_picture_does_not_cost_the_others(checkpoint, pictures, tmp_path, capsys):
    (pictures / 'one.png').write_bytes((pictures / 'one.jpg').read_bytes())  # the same stem
    whole = (pictures / 'two.jpg').read_bytes()
    (pictures / 'cut.jpg').write_bytes(whole[: len(whole) // 2])
    (pictures / 'loop.jpg').symlink_to('loop.jpg')
    (pictures / 'Thumbs.db').write_bytes(b'x')
    out = tmp_path / 'poses'
    with pytest.raises(SystemExit, match='2 of 5 pictures could not be read'):
        demo(pictures, TINY, checkpoint, '--out-dir', out, '--device', 'cpu')
    said = capsys.readouterr()
    assert f'error: {pictures}/cut.jpg: ' in said.err and f'error: {pictures}/loop.jpg' in said.err
    assert '3 pictures drawn' in said.out and 'such as Thumbs.db' in said.out
    names = sorted(path.name for path in (out / 'predictions').iterdir())
    assert names == ['one.json', 'one.png.json', 'two.json']
    assert len(list((out / 'visualizations').iterdir())) == 3


@pytest.mark.parametrize('ending', ['jfif', 'pgm', 'png'])
def test_what_is_drawn_is_a_jpeg(checkpoint, pictures, tmp_path, ending):
    """OpenCV reads JFIF and grey PGM, and cannot write a coloured picture as one of these."""
    source = tmp_path / f'one.{ending}'
    image = cv2.imread(str(pictures / 'one.jpg'), cv2.IMREAD_GRAYSCALE)
    kind = 'jpg' if ending == 'jfif' else ending
    source.write_bytes(cv2.imencode(f'.{kind}', image)[1].tobytes())
    demo(source, TINY, checkpoint, '--out-dir', tmp_path, '--device', 'cpu')
    drawn = tmp_path / 'visualizations/one.jpg'
    assert drawn.read_bytes().startswith(b'\xff\xd8') and cv2.imread(str(drawn)) is not None


def test_a_picture_without_ending_is_drawn(checkpoint, pictures, tmp_path):
    (pictures / 'one.jpg').rename(tmp_path / 'picture')
    demo(tmp_path / 'picture', TINY, checkpoint, '--out-dir', tmp_path, '--device', 'cpu')
    assert (tmp_path / 'visualizations/picture.jpg').is_file()


@pytest.mark.parametrize('device', ['0', 'gpu', 'mps', 'CPU', 'cuda:0'])
def test_a_device_that_is_none_gets_a_clear_word(checkpoint, pictures, device):
    with pytest.raises(SystemExit, match=f'--device {device}: (give cpu|this machine has 0 GPUs)'):
        demo(pictures, TINY, checkpoint, '--device', device)


def test_an_output_that_cannot_be_written_is_found_before_the_work(pictures, tmp_path):
    (tmp_path / 'file').write_text('x')
    with pytest.raises(SystemExit, match='nothing can be written'):
        demo(pictures, TINY, 'no-checkpoint.pth', '--out-dir', tmp_path / 'file')
