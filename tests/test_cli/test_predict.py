"""The command `directpose predict`, with a file that finds one or no person by the brightness."""

import csv
import itertools
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest
from PIL import Image

import directpose
from directpose.__main__ import main
from directpose.runtime import DirectPose, Poses
from tests.conftest import ROOT
from tests.tiny_model import tiny_file


@pytest.fixture
def run(tmp_path, capsys):
    """Predict with the tiny model; the exit status, and what was printed."""
    models = {rated: tiny_file(tmp_path / f'tiny-{rated}.onnx', rated) for rated in (False, True)}

    def call(*args, rates_keypoints=False):
        model = models[rates_keypoints]
        status = main(['predict', *map(str, args), '--model', str(model), '--threads', '1'])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


def write_picture(path, level=20, size=(64, 32)):
    Image.new('RGB', size, (level, level, level)).save(path)
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_folder_of_pictures(run, tmp_path):
    """Names that differ by their endings do not meet, and broken files are skipped."""
    folder, out = tmp_path / 'photos', tmp_path / 'poses'
    folder.mkdir()
    write_picture(folder / 'a.jpg', 20)
    write_picture(folder / 'a.png', 30)
    (folder / 'broken.jpg').write_text('text')
    (folder / 'notes.txt').write_text('text')
    status, printed, errors = run(folder, '--out', out, '--save', 'drawn', 'jsonl', 'csv', 'coco')
    assert status == 1
    assert f'2 pictures, 2 poses, 1 fault; results are in {out}' in printed
    assert f'skipped: {folder}/broken.jpg: ' in errors
    assert f'neither a picture nor a video: {folder}/notes.txt' in errors
    for name in ('a', 'a.png'):
        assert Image.open(out / f'{name}.jpg').size == (64, 32)
    first, second = lines(out / 'poses.jsonl')
    assert first['source'] == f'{folder}/a.jpg' and second['source'] == f'{folder}/a.png'
    assert first['people'][0]['keypoints'][0] == pytest.approx([20, 20], abs=1)
    assert second['people'][0]['keypoints'][0] == pytest.approx([30, 30])
    rows = list(csv.DictReader((out / 'poses.csv').open()))
    assert [float(row['middle_x']) for row in rows] == pytest.approx([20, 30], abs=1)
    assert list(rows[0])[-2:] == ['middle_x', 'middle_y']
    coco = json.loads((out / 'poses.json').read_text())
    assert len(coco['images']) == len(coco['annotations']) == 2
    assert coco['categories'][0]['keypoints'] == ['middle']
    assert [image['file_name'] for image in coco['images']] == ['a.jpg', 'a.png']


def test_labels_of_yolo_lie_where_yolo_looks_for_them(run, tmp_path):
    for name in ('a.jpg', 'b.png'):
        write_picture(tmp_path / name)
    out = tmp_path / 'poses'
    assert run(tmp_path, '--out', out, '--save', 'yolo')[0] == 0
    for name in 'ab':
        assert (out / f'labels/{name}.txt').read_text().startswith('0 ')
    write_picture(tmp_path / 'A.bmp')
    with pytest.raises(
        SystemExit, match=r'--save yolo: .*A\.bmp and .*a\.jpg would have one label'
    ):
        run(tmp_path, '--out', out, '--save', 'yolo')


def test_names_in_the_coco_file_are_those_in_the_folder_of_all_pictures(run, tmp_path):
    for name in ('x/a.png', 'x/y/a.png'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_picture(tmp_path / name)
    out = tmp_path / 'poses'
    assert run(tmp_path / 'x/**/*.png', '--out', out, '--save', 'coco')[0] == 0
    images = json.loads((out / 'poses.json').read_text())['images']
    assert [image['file_name'] for image in images] == ['a.png', 'y/a.png']


def test_nothing_of_an_earlier_run_stays_for_a_picture_that_broke(run, tmp_path):
    picture, out = write_picture(tmp_path / 'a.png'), tmp_path / 'poses'
    assert run(picture, '--out', out, '--save', 'drawn', 'yolo')[0] == 0
    assert (out / 'a.jpg').exists() and (out / 'labels/a.txt').exists()
    picture.write_text('text')
    assert run(picture, '--out', out, '--save', 'drawn', 'yolo')[0] == 1
    assert [path.name for path in out.rglob('*') if path.is_file()] == []


def test_an_animation_says_that_its_first_picture_is_used(run, tmp_path):
    frames = [Image.new('RGB', (64, 32), (level,) * 3) for level in (20, 30, 40)]
    for name in ('a.gif', 'pages.tif'):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        status, _, errors = run(tmp_path / name, '--out', tmp_path / 'poses')
        assert status == 0 and f'{name}: the first of its pictures is used' in errors


def test_the_second_picture_of_a_camera_is_not_told(run, tmp_path):
    """It is a small copy of the first one, or that of the other eye."""
    first, second = (Image.new('RGB', (64, 32), (level,) * 3) for level in (20, 30))
    path = tmp_path / 'a.jpg'
    first.save(path, 'MPO', save_all=True, append_images=[second])
    assert Image.open(path).n_frames == 2
    status, _, errors = run(path, '--out', tmp_path / 'poses')
    assert status == 0 and errors == ''


def test_a_broken_second_picture_of_an_animation_is_no_fault(run, tmp_path):
    frames = [Image.new('RGB', (64, 32), (level,) * 3) for level in (20, 30, 40)]
    path = tmp_path / 'pages.tif'
    frames[0].save(path, save_all=True, append_images=frames[1:])
    path.write_bytes(path.read_bytes()[:-7000])
    status, printed, _ = run(path, '--out', tmp_path / 'poses')
    assert status == 0 and '1 picture' in printed


def test_nothing_of_the_user_is_removed(run, tmp_path):
    """The results go into the folder of the pictures, one of which is broken."""
    (tmp_path / 'broken.jpg').write_text('text')
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'labels/broken.txt').write_text('by hand')
    assert run(tmp_path / 'broken.jpg', '--out', tmp_path, '--save', 'jsonl')[0] == 1
    with pytest.raises(SystemExit, match='is a source, and would be overwritten'):
        run(tmp_path / 'broken.jpg', '--out', tmp_path, '--save', 'drawn')
    assert (tmp_path / 'broken.jpg').read_text() == 'text'
    assert (tmp_path / 'labels/broken.txt').read_text() == 'by hand'


@pytest.fixture
def fixed_size(run, tmp_path):
    """The tiny model, for inputs of 32 x 64 pixels alone."""
    onnx = pytest.importorskip('onnx')
    model = onnx.load(tmp_path / 'tiny-False.onnx')
    for dim, length in zip(model.graph.input[0].type.tensor_type.shape.dim[2:], (32, 64)):
        dim.dim_value = length
    onnx.save(model, tmp_path / 'tiny-False.onnx')


def test_a_picture_that_does_not_fit_a_file_of_fixed_size_is_passed_over(run, fixed_size, tmp_path):
    wide, square = write_picture(tmp_path / 'a.png'), tmp_path / 'b.png'
    write_picture(square, size=(32, 32))
    status, printed, errors = run(wide, square, '--out', tmp_path / 'poses')
    assert status == 1 and '1 picture, 1 pose, 1 fault' in printed
    assert f'skipped: {square}: ' in errors and 'sizes of this file are fixed' in errors


def test_a_video_that_does_not_fit_a_file_of_fixed_size_is_passed_over(run, fixed_size, tmp_path):
    pytest.importorskip('av')
    from tests.test_runtime.test_video import write_video

    square = write_video(tmp_path / 'a.mkv', num_frames=3, size=(64, 64))
    wide = write_video(tmp_path / 'b.mkv', num_frames=3, size=(64, 32))
    out = tmp_path / 'poses'
    out.mkdir()
    (out / 'a.mp4').write_text('of an earlier run')
    status, printed, errors = run(square, wide, '--out', out)
    assert status == 1 and '3 frames, 3 poses, 1 fault' in printed
    assert f'skipped: {square}: ' in errors and 'sizes of this file are fixed' in errors
    assert sorted(path.name for path in out.iterdir()) == ['b.mp4', 'poses.jsonl']


def test_options_of_videos_are_refused_for_pictures(run, tmp_path):
    with pytest.raises(SystemExit, match='--track and --smooth are for videos'):
        run(write_picture(tmp_path / 'a.png'), '--smooth', '--out', tmp_path / 'poses')


def test_pictures_in_folders_of_a_folder_are_hinted_at(run, tmp_path):
    (tmp_path / 'sub/empty').mkdir(parents=True)
    write_picture(tmp_path / 'sub/a.png')
    with pytest.raises(SystemExit, match=r'no videos; for those .* write ".*\*\*/\*\.png"'):
        run(tmp_path, '--out', tmp_path / 'poses')
    with pytest.raises(SystemExit, match='no videos$'):
        run(tmp_path / 'sub/empty', '--out', tmp_path / 'poses')


def test_a_table_of_a_model_that_rates_keypoints(run, tmp_path):
    """The table says of each keypoint how good it is, and how likely it is hidden."""
    pictures, out = [write_picture(tmp_path / f'{i}.png', i) for i in (20, 30)], tmp_path / 'poses'
    assert run(*pictures, '--out', out, '--save', 'csv', rates_keypoints=True)[0] == 0
    rows = list(csv.DictReader((out / 'poses.csv').open()))
    names = [f'middle_{column}' for column in ('x', 'y', 'score', 'hidden')]
    assert list(rows[0])[-4:] == names
    found = [[float(row[name]) for name in names] for row in rows]
    assert found == [pytest.approx([20, 20, 0.2, 0.4]), pytest.approx([30, 30, 0.3, 0.6])]


def test_keypoints_of_low_score_are_not_drawn_where_one_says_so(run, tmp_path):
    pictures = [write_picture(tmp_path / f'{i}.png', i) for i in (20, 30)]
    for threshold, drawn in ((0, [True, True]), (0.25, [False, True]), (0.35, [False, False])):
        out = tmp_path / f'poses-{threshold}'
        assert run(*pictures, '--kpt-thr', threshold, '--out', out, rates_keypoints=True)[0] == 0
        spread = [np.ptp(np.asarray(Image.open(out / f'{i}.jpg'))) for i in (20, 30)]
        assert [value > 40 for value in spread] == drawn
        assert [len(line['people']) for line in lines(out / 'poses.jsonl')] == [1, 1]


def test_nobody_is_an_answer(run, tmp_path, monkeypatch):
    nobody = Poses(np.zeros((0, 1, 2)), np.zeros(0), np.zeros((0, 4)), size=(64, 32))
    monkeypatch.setattr('directpose.runtime.DirectPose.__call__', lambda self, image: nobody)
    write_picture(tmp_path / 'dark.png', 0)
    out = tmp_path / 'poses'
    status, printed, _ = run(tmp_path / 'dark.png', '--out', out)
    assert status == 0 and '1 picture, 0 poses' in printed
    (line,) = lines(out / 'poses.jsonl')
    assert line['people'] == [] and line['width'] == 64
    assert (out / 'dark.jpg').exists()


def test_a_file_name_that_is_no_text_does_not_end_the_run(run, tmp_path):
    """Linux takes any bytes, as old archives have them."""
    folder, out = tmp_path / 'photos', tmp_path / 'poses'
    folder.mkdir()
    name = os.fsdecode(b'caf\xe9.png')
    for path in (folder / name, folder / 'd.png'):
        write_picture(path)
    assert run(folder, '--out', out, '--save', 'drawn', 'jsonl', 'csv', 'coco', 'yolo')[0] == 0
    assert [line['source'] for line in lines(out / 'poses.jsonl')] == [
        f'{folder}/{name}', f'{folder}/d.png',
    ]  # fmt: skip
    rows = list(csv.DictReader((out / 'poses.csv').open()))
    assert [row['source'] for row in rows] == [f'{folder}/caf\\udce9.png', f'{folder}/d.png']
    assert (out / name).with_suffix('.jpg').is_file()


def test_patterns_and_several_sources(run, tmp_path):
    for name in ('b.png', 'a.png', 'c.bmp'):
        write_picture(tmp_path / name)
    out = tmp_path / 'poses'
    assert run(tmp_path / '*.png', tmp_path / 'c.bmp', '--out', out, '--save', 'jsonl')[0] == 0
    assert [line['source'][-5:] for line in lines(out / 'poses.jsonl')] == [
        'a.png', 'b.png', 'c.bmp',
    ]  # fmt: skip
    assert sorted(path.name for path in out.iterdir()) == ['poses.jsonl']


def test_a_folder_with_the_name_of_a_video_is_no_video(run, tmp_path):
    write_picture(tmp_path / 'a.png')
    (tmp_path / 'clips.mov').mkdir()
    status, _, errors = run(tmp_path, '--out', tmp_path / 'poses')
    assert status == 0 and f'neither a picture nor a video: {tmp_path}/clips.mov' in errors


def test_a_picture_that_is_named_twice_is_read_once(run, tmp_path):
    write_picture(tmp_path / 'a.png')
    (tmp_path / 'link').symlink_to(tmp_path)
    status, printed, _ = run(
        tmp_path / 'a.png', tmp_path, tmp_path / 'link/a.png', '--out', tmp_path / 'poses'
    )
    assert status == 0 and printed.startswith('1 picture,')


@pytest.mark.parametrize(
    'args, message',
    [
        (['gone.jpg'], 'error: gone.jpg: there is no such file or folder'),
        (['*.gone'], r'error: \*.gone: no file matches this pattern'),
        (['empty'], 'error: empty: the folder has no pictures and no videos'),
        (['photo.jpg', '--out', '.'], 'photo.jpg is a source, and would be overwritten'),
        (['photo.jpg', '--out', 'photo.jpg'], 'photo.jpg is a file; give a folder'),
        (['photo.jpg', '--out', 'photo.jpg/poses'], 'the folder cannot be made .*; choose another'),
        (['clip.mp4', '--save', 'coco'], 'are for pictures; use jsonl or csv'),
        ([''], "error: '': there is no such file or folder"),
        (['photo.jpg', '--kpt-thr', '0.3'], 'tiny-False.onnx does not rate keypoints'),
    ],
)
def test_mistakes_are_named_before_anything_is_written(run, tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'clip.mp4').write_text('text')
    photo = write_picture(tmp_path / 'photo.jpg').read_bytes()
    with pytest.raises(SystemExit, match=message):
        run(*args)
    assert (tmp_path / 'photo.jpg').read_bytes() == photo and not (tmp_path / 'poses').exists()


@pytest.mark.parametrize('source, package', [('clip.mp4', 'av'), ('0', 'cv2')])
def test_a_package_that_is_missing_costs_no_older_results(
    run, tmp_path, monkeypatch, source, package
):
    monkeypatch.chdir(tmp_path)
    write_picture(tmp_path / 'photo.jpg')
    run('photo.jpg', '--save', 'jsonl')
    (tmp_path / 'clip.mp4').touch()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit, match='error: .* needs? .*pip install'):
        run(source)
    assert len(lines(tmp_path / 'poses/poses.jsonl')) == 1


@pytest.mark.parametrize(
    'args, message',
    [
        (['--save', 'csv', 'photo.jpg'], "no format 'photo.jpg'.* write the sources before --save"),
        (['photo.jpg', '--save', 'png'], "no format 'png', but drawn, jsonl, csv, coco, yolo"),
        (['photo.jpg', '--modle', 'a.onnx'], 'did you mean --model'),
        (['photo.jpg', '--score-thr', '30'], 'give a number from 0 to 1'),
        (['clip.mp4', '--max-frames', '0'], 'give a whole number from 1'),
        (['photo.jpg', '--threads', '0'], 'give a whole number from 1'),
    ],
)
def test_wrong_arguments_are_named(args, message, capsys):
    with pytest.raises(SystemExit, match='^2$'):
        main(['predict', *args])
    assert re.search(message, capsys.readouterr().err)


def test_the_small_model_says_what_it_is_for(tmp_path, capsys):
    """Whoever tries a photograph learns why nobody is found; who has another model does not."""
    picture = write_picture(tmp_path / 'grey.png')
    assert main(['predict', str(picture), '--out', str(tmp_path)]) == 0
    assert 'directpose-tiny never saw photographs of people' in capsys.readouterr().out
    model = str(tiny_file(tmp_path / 'tiny.onnx'))
    assert main(['predict', str(picture), '--out', str(tmp_path), '--model', model]) == 0
    assert 'directpose-tiny' not in capsys.readouterr().out


@pytest.mark.parametrize(
    'save, file', [('jsonl', 'poses.jsonl'), ('csv', 'poses.csv'), ('coco', 'poses.json')]
)
def test_a_second_run_into_the_same_file_is_refused(run, tmp_path, save, file):
    """Otherwise the two would write into each other's lines."""
    code = (
        'import fcntl, sys\nfile = open(sys.argv[1], "a")\n'
        'fcntl.lockf(file, fcntl.LOCK_EX)\nprint(flush=True)\ninput()'
    )
    picture, path = write_picture(tmp_path / 'a.png'), tmp_path / file
    path.write_text('of the other run')
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with subprocess.Popen([sys.executable, '-c', code, str(path)], **pipes) as other:
        other.stdout.readline()
        with pytest.raises(SystemExit, match=f'error: {path}: another run writes this file'):
            run(picture, '--out', tmp_path, '--save', save)
        assert path.read_text() == 'of the other run'
        other.communicate(b'\n')
    assert run(picture, '--out', tmp_path, '--save', save)[0] == 0
    assert 'of the other run' not in path.read_text()


def test_an_output_that_is_refused_costs_no_older_results(run, tmp_path):
    picture, path = write_picture(tmp_path / 'a.png'), tmp_path / 'poses.jsonl'
    path.write_text('older')
    (tmp_path / 'poses.csv').write_text('older')
    (tmp_path / 'labels').write_text('a file in the place of the folder')
    with pytest.raises(SystemExit, match='labels'):
        run(picture, '--out', tmp_path, '--save', 'jsonl', 'csv', 'yolo')
    assert path.read_text() == (tmp_path / 'poses.csv').read_text() == 'older'


@pytest.mark.parametrize('save', ['drawn', 'jsonl', 'coco'])
def test_a_full_disk_is_told(run, tmp_path, save):
    picture, out = write_picture(tmp_path / 'a.png', size=(640, 320)), tmp_path / 'out'
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(SystemExit, match=f'error: {out}: File too large'):
            run(picture, '--out', out, '--save', save)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_an_error_while_drawing_is_not_lost(run, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError('no space left')

    monkeypatch.setattr('directpose.runtime.Poses.draw', fail)
    with pytest.raises(SystemExit, match='error: .*poses: no space left'):
        run(write_picture(tmp_path / 'a.png'), '--out', tmp_path / 'poses')


def test_a_video_frame_by_frame(run, tmp_path):
    av = pytest.importorskip('av')
    from tests.test_runtime.test_video import write_video

    clip = write_video(tmp_path / 'clip.mkv', num_frames=12, sound='aac')
    (tmp_path / 'broken.mp4').write_text('text')
    out = tmp_path / 'poses'
    status, printed, errors = run(
        clip, tmp_path / 'broken.mp4', '--out', out, '--track', '--max-frames', '8'
    )
    assert status == 1 and '8 frames, 8 poses, 1 fault' in printed and 'broken.mp4' in errors
    found = lines(out / 'poses.jsonl')
    assert [line['frame'] for line in found] == list(range(8))
    assert found[3]['time'] == pytest.approx(3 / 25, abs=1e-3)
    assert all(line['people'][0]['id'] >= 1 for line in found)
    with av.open(str(out / 'clip.mp4')) as container:
        assert container.streams.video[0].frames == 8 and len(container.streams.audio) == 1


@pytest.mark.parametrize(('settings', 'same'), [({}, False), (dict(keypoint_sigmas=[10]), True)])
def test_people_are_followed_with_the_sigmas_of_the_model(tmp_path, settings, same):
    """The tiny model's person is a point, which moves by some pixels in each frame."""
    pytest.importorskip('av')
    from tests.test_runtime.test_video import write_video

    model = tiny_file(tmp_path / 'tiny.onnx', **settings)
    clip = write_video(tmp_path / 'clip.mp4', num_frames=5)
    options = ['--track', '--save', 'jsonl', '--out', str(tmp_path), '--threads', '1']
    assert main(['predict', str(clip), '--model', str(model), *options]) == 0
    numbers = [line['people'][0]['id'] for line in lines(tmp_path / 'poses.jsonl')]
    assert numbers == ([1] * 5 if same else [1, 2, 3, 4, 5])


def test_a_video_is_drawn_without_what_is_broken_in_its_sound(run, tmp_path):
    av = pytest.importorskip('av')
    from tests.test_runtime.test_video import damage_sound, write_video

    clip = damage_sound(write_video(tmp_path / 'clip.avi', num_frames=50, sound='adpcm_ms'))
    status, printed, errors = run(clip, '--out', tmp_path)
    assert status == 1 and '50 frames, 50 poses' in printed
    assert re.search(f'{clip}: [0-9]+ pieces of the sound were left out', errors)
    with av.open(str(tmp_path / 'clip.mp4')) as container:
        assert container.streams.video[0].frames == 50


def test_what_is_too_large_to_be_drawn_is_named_and_its_poses_are_kept(run, tmp_path):
    pytest.importorskip('av')
    from tests.test_runtime.test_video import write_video

    wide = write_picture(tmp_path / 'wide.png', size=(65_536, 2))
    clip = write_video(tmp_path / 'wide.mkv', num_frames=2, size=(16_400, 32), codec='ffv1')
    other = write_picture(tmp_path / 'other.png')
    out = tmp_path / 'poses'
    status, printed, errors = run(wide, other, clip, '--out', out)
    assert status == 1 and '2 pictures, 2 frames' in printed
    assert f'{wide}: 65536 x 2 pixels cannot be drawn; the limit of JPEG is 65,500' in errors
    assert f'{clip}: frames of 16400 x 32 pixels cannot be drawn' in errors
    assert len(lines(out / 'poses.jsonl')) == 4
    assert [path.name for path in out.iterdir() if path.suffix != '.jsonl'] == ['other.jpg']


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGINT'])
def test_an_interrupted_stream_leaves_whole_files(tmp_path, name):
    """The stream is silent, so the reader waits while the signal comes."""
    av = pytest.importorskip('av')
    from tests.test_runtime.test_video import HEADER, silent_after, write_video

    clip = write_video(tmp_path / 'clip.ts', num_frames=60).read_bytes()
    model, out = tiny_file(tmp_path / 'tiny.onnx'), tmp_path / 'poses'
    with silent_after(HEADER + clip) as port:
        command = [sys.executable, '-m', 'directpose', 'predict', f'http://127.0.0.1:{port}/a.ts']
        command += ['--model', str(model), '--out', str(out), '--threads', '1']
        # A shell that starts a job in the background has the job ignore SIGINT.
        heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        process = subprocess.Popen(
            command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=heard
        )
        found = out / 'poses.jsonl'
        end = time.monotonic() + 60
        while time.monotonic() < end and not (found.is_file() and len(lines(found)) > 30):
            time.sleep(0.1)
        process.send_signal(getattr(signal, name))
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and 'stopped' in errors
    with av.open(str(out / 'stream.mp4')) as container:
        assert len(list(container.decode(video=0))) > 20


def test_ctrl_c_and_again_while_the_reader_waits_leaves_whole_files(run, tmp_path, monkeypatch):
    """The first one comes while the model computes, the second one while the reader is awaited."""
    av = pytest.importorskip('av')
    from tests.test_runtime.test_video import write_video

    numbers, find_poses = itertools.count(), DirectPose.__call__

    def interrupted(self, picture):
        if next(numbers) == 8:
            monkeypatch.setattr(Awaited, 'join', again)
            raise KeyboardInterrupt
        return find_poses(self, picture)

    def again(thread):
        raise KeyboardInterrupt

    class Awaited(threading.Thread):
        pass

    monkeypatch.setattr(DirectPose, '__call__', interrupted)
    monkeypatch.setattr('directpose.cli.background.Thread', Awaited)
    clip = write_video(tmp_path / 'clip.mkv', num_frames=12)
    status, _, errors = run(clip, '--out', tmp_path / 'poses')
    assert status == 130 and 'stopped' in errors
    with av.open(str(tmp_path / 'poses/clip.mp4')) as container:
        assert len(list(container.decode(video=0))) == 8


def test_what_is_printed_after_the_progress_of_a_video_has_a_line_of_its_own(
    run, tmp_path, monkeypatch, capsys
):
    pytest.importorskip('av')
    from tests.test_runtime.test_video import damage_sound, write_video

    clip = damage_sound(write_video(tmp_path / 'clip.avi', num_frames=50, sound='adpcm_ms'))
    monkeypatch.setattr('directpose.cli.predict.monotonic', itertools.count(0, 1).__next__)
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    _, _, errors = run(clip, '--out', tmp_path / 'poses')
    *progress, told = errors.splitlines()
    assert progress[-1].startswith(f'{clip}: frame 50 of 50, ')
    assert told.startswith(f'{clip}: ') and 'of the sound were left out' in told


def test_the_limit_of_frames_holds_where_its_frame_is_lost(run, tmp_path):
    pytest.importorskip('av')
    from tests.test_runtime.test_video import damage, write_at

    clip = damage(write_at(tmp_path / 'clip.avi', range(20)), [10])
    out = tmp_path / 'poses'
    assert run(clip, '--out', out, '--save', 'jsonl', '--max-frames', '10')[0] in (0, 1)
    assert [line['frame'] for line in lines(out / 'poses.jsonl')] == [*range(10)]


def test_a_video_without_a_frame_is_named(run, tmp_path):
    av = pytest.importorskip('av')
    from tests.test_runtime.test_video import write_video

    clip = write_video(tmp_path / 'clip.mkv')
    with av.open(str(clip)) as container:
        first = bytes(next(container.demux()))
    data = clip.read_bytes()
    clip.write_bytes(data[: data.index(first)])
    status, _, errors = run(clip, '--out', tmp_path)
    assert status == 1 and f'skipped: {clip}: no frame came' in errors


def test_the_command_says_what_it_can(capsys):
    assert main([]) == 0 and 'predict' in capsys.readouterr().out
    assert main(['fly']) == 2 and "no command 'fly'\n" in capsys.readouterr().err
    assert main(['pedict']) == 2 and 'did you mean predict?' in capsys.readouterr().err
    assert main(['--version']) == 0 and capsys.readouterr().out.startswith('directpose ')


@pytest.mark.parametrize(
    'command, option',
    [
        ('train', '--total-batch-size'),
        ('test', '--tta'),
        ('export', '--without-nms'),
        ('check', '--min-keypoints'),
    ],
)
def test_commands_are_those_of_tools(command, option, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', sys.argv)  # the command sets it
    with pytest.raises(SystemExit, match='^0$'):
        main([command, '--help'])
    printed = capsys.readouterr().out
    assert f'usage: directpose {command}' in printed and option in printed


@pytest.mark.slow
def test_the_package_is_a_command(tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'directpose', 'check', '--help'],
        cwd=tmp_path,
        env={'PYTHONPATH': str(ROOT), 'PATH': ''},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'usage: directpose check' in done.stdout


def test_pictures_are_read_no_further_ahead_than_needed():
    """However long a video is, a few of its frames are in memory."""
    from directpose.cli.background import AHEAD, ahead

    started = []

    def numbers():
        for i in range(1000):
            started.append(i)
            yield i

    items = ahead(numbers())
    assert next(items) == 0
    items.close()
    assert len(started) <= AHEAD + 3
    assert list(ahead(iter(range(20)))) == list(range(20))

    def breaks():
        yield np.zeros(1)
        raise RuntimeError('broken')

    with pytest.raises(RuntimeError, match='broken'):
        list(ahead(breaks()))


def test_frames_that_wait_to_be_written_are_few():
    """However slow the disk is."""
    from directpose.cli.background import AHEAD, InBackground

    written, given = threading.Event(), []

    def predict():
        with InBackground() as background:
            for number in range(50):
                given.append(number)
                background.run(written.wait)

    thread = threading.Thread(target=predict)
    thread.start()
    while len(given) <= AHEAD:
        time.sleep(0.01)
    time.sleep(0.2)  # in which a list without an end would grow
    waiting = len(given)
    written.set()
    thread.join()
    assert waiting == AHEAD + 1 and len(given) == 50


@pytest.mark.parametrize('command', ['module', 'script'])
@pytest.mark.parametrize('arguments', [['--help'], ['predict', '--help'], ['predict', 'PICTURE']])
def test_starts_without_mmpose(command, arguments, tmp_path):
    """Importing MMPose takes seconds. Neither a help text nor an ONNX model needs it."""
    picture = write_picture(tmp_path / 'a.png')
    arguments = [str(picture) if argument == 'PICTURE' else argument for argument in arguments]
    if arguments[-1] == str(picture):
        model = tiny_file(tmp_path / 'tiny.onnx')
        arguments += ['--model', str(model), '--out', str(tmp_path / 'poses'), '--threads', '1']
    # What Python runs at its end sees all that was imported.
    (tmp_path / 'sitecustomize.py').write_text(
        'import atexit, sys\n'
        "heavy = 'torch', 'mmengine', 'mmpose', 'mmcv', 'mmdet'\n"
        "atexit.register(lambda: print('imported:', *(m for m in heavy if m in sys.modules)))\n"
    )
    script = tmp_path / 'directpose'  # as pip writes the installed command
    script.write_text(
        'import sys\nfrom directpose.__main__ import main\n'
        "if __name__ == '__main__':\n    sys.exit(main())\n"
    )
    start = ['-m', 'directpose'] if command == 'module' else [str(script)]
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *start, *arguments],
        env={**os.environ, 'PYTHONPATH': path},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == 'imported:'
    if 'poses' in ' '.join(arguments):
        assert (tmp_path / 'poses/poses.jsonl').is_file()


@pytest.mark.parametrize(
    'arguments, light',
    [
        (['python', '-m', 'directpose', 'predict', 'a.jpg'], True),
        (['python', '/venv/bin/directpose', 'web'], True),
        (['python', '-m', 'directpose'], True),
        (['python', '-m', 'directpose', 'train', 'predict'], False),
        (['python', '/venv/bin/directpose', 'export'], False),
        (['python', '-m', 'pytest', 'predict'], False),
        (['python', 'directpose.py', 'predict'], False),
        (['python'], False),
        ([], False),  # embedded in another program
    ],
)
def test_other_processes_register_the_models(arguments, light):
    assert directpose._is_a_command_without_torch(arguments) is light
