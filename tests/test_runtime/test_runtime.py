"""The runtime where there is no torch: what it imports, and that it runs in a bare environment."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import venv
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv.ops import nms as mmcv_nms
from PIL import Image

from directpose.runtime import DirectPose
from directpose.runtime.nms import nms
from directpose.runtime.session import find_model
from tests.tiny_model import tiny_file

ROOT = Path(__file__).parents[2]
FOREIGN = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet', 'mmpose', 'cv2', 'scipy')


def test_imports_nothing_of_openmmlab():
    """In a process where torch and the mm packages cannot be found."""
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            f"""
import importlib.abc, importlib.util, sys
FOREIGN = {FOREIGN}
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in FOREIGN:
            raise ModuleNotFoundError(f'blocked: {{name}}', name=name)
sys.meta_path.insert(0, Blocked())
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *args: None if name in FOREIGN else find_spec(name, *args)
import directpose, directpose.runtime
assert not set(FOREIGN) & set(sys.modules)
""",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_runs_in_an_environment_without_torch(tmp_path):
    """Numpy, Pillow and ONNX Runtime, by links to those of this environment; nothing else."""
    venv.create(tmp_path / 'bare', with_pip=False)
    python = tmp_path / 'bare/bin/python'
    site = next((tmp_path / 'bare/lib').glob('python*/site-packages'))
    for name in ('numpy', 'numpy.libs', 'PIL', 'pillow.libs', 'onnxruntime'):
        for found in map(Path, sys.path):
            if (found / name).is_dir():
                (site / name).symlink_to(found / name)
                break
    (site / 'directpose').symlink_to(ROOT / 'directpose')
    file = tiny_file(tmp_path / 'tiny.onnx')
    done = subprocess.run(
        [
            python,
            '-I',
            '-c',
            f"""
import importlib.util, sys
import numpy as np
from directpose.runtime import DirectPose
image = np.full((48, 64, 3), 100, np.uint8)
keypoints, scores, boxes = DirectPose({str(file)!r})(image)
print(keypoints.shape, scores.shape, boxes.shape)
print([name for name in {FOREIGN} if importlib.util.find_spec(name)])
""",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ['(1, 1, 2) (1,) (1, 4)', '[]']


def test_coordinates_are_in_pixels_of_the_picture(tmp_path):
    run = DirectPose(tiny_file(tmp_path / 'tiny.onnx'))
    # 96 x 48 is resized to 64 x 32, which needs no padding: the mean stays
    keypoints, scores, boxes = run(np.full((48, 96, 3), 20, np.uint8))
    np.testing.assert_allclose(keypoints, [[[30, 30]]])
    np.testing.assert_allclose(scores, [20])
    np.testing.assert_allclose(boxes, [[30, 30, 30, 30]])


def test_pictures_of_several_sizes_come_back_in_their_order(tmp_path):
    run = DirectPose(tiny_file(tmp_path / 'tiny.onnx'))
    shapes = [(32, 32), (32, 64), (64, 32), (32, 32), (64, 128), (32, 32)]
    images = [np.full((*shape, 3), 10 * i, np.uint8) for i, shape in enumerate(shapes)]
    scores = [poses.scores.item() for poses in run.predict(images, batch_size=2)]
    np.testing.assert_allclose(scores, [0, 10, 20, 30, 40, 50])
    assert run.predict([]) == []
    assert len(run.predict(image for image in images)) == len(images)


def test_numbers_of_numpy_are_whole_numbers(tmp_path):
    run = DirectPose(tiny_file(tmp_path / 'tiny.onnx'), threads=np.int64(1))
    images = [np.zeros((32, 64, 3), np.uint8)] * 3
    assert len(run.predict(images, batch_size=np.int64(2))) == 3


def test_a_folder_may_have_the_name_of_a_model(tmp_path, monkeypatch):
    (tmp_path / 'directpose-tiny').mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_model('directpose-tiny').endswith('.onnx')
    with pytest.raises(ValueError, match='is a folder'):
        find_model(tmp_path / 'directpose-tiny')


@pytest.mark.parametrize('batch_size', [-1, 0, 2.5, None, True])
def test_a_batch_size_that_is_none_is_refused(tmp_path, batch_size):
    run = DirectPose(tiny_file(tmp_path / 'tiny.onnx'))
    with pytest.raises(ValueError, match=f'batch_size must be .* but is {batch_size!r}'):
        run.predict([], batch_size=batch_size)


def test_every_form_of_a_picture_gives_the_same(tmp_path):
    """A file, a PIL picture, and arrays in any memory order, read-only ones too."""
    run = DirectPose(tiny_file(tmp_path / 'tiny.onnx'))
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(image[..., ::-1]).save(tmp_path / 'picture.png')
    read_only = image.copy()
    read_only.flags.writeable = False
    alpha = np.dstack([image, np.zeros((40, 60), np.uint8)])
    expected = run(image)
    forms = [
        tmp_path / 'picture.png',
        str(tmp_path / 'picture.png'),
        Image.fromarray(image[..., ::-1]),
        read_only,
        np.asfortranarray(image),
        image[:, ::-1][:, ::-1],
        alpha,
    ]
    for form in forms:
        for got, wanted in zip(run(form), expected):
            np.testing.assert_array_equal(got, wanted)


def test_grey_pictures_are_taken(tmp_path):
    run = DirectPose(tiny_file(tmp_path / 'tiny.onnx'))
    grey = np.random.default_rng(0).integers(0, 255, (40, 60), dtype=np.uint8)
    expected = run(np.repeat(grey[..., None], 3, axis=2)).scores
    for form in (grey, grey[..., None], Image.fromarray(grey)):
        np.testing.assert_array_equal(run(form).scores, expected)


def test_a_grey_pil_picture_of_16_bits_is_what_its_file_is(tmp_path):
    """Pillow itself would cut off all that is above 255, which leaves a white picture."""
    run = DirectPose(tiny_file(tmp_path / 'tiny.onnx'))
    Image.fromarray(np.full((32, 32), 20 << 8, np.uint16)).save(tmp_path / 'deep.png')
    with Image.open(tmp_path / 'deep.png') as picture:
        assert picture.mode.startswith('I')
        for form in (picture, picture.convert('I'), tmp_path / 'deep.png'):
            np.testing.assert_allclose(run(form).scores, [20])


@pytest.mark.parametrize(
    'image, message',
    [
        (None, 'the picture is NoneType'),
        ('picture.jpg', 'picture.jpg: there is no such file'),
        (np.zeros((10, 10, 2), np.uint8), r'\(10, 10, 2\) uint8'),
        (np.zeros((10, 10, 3)), 'float64'),
        (Image.new('F', (10, 10)), 'the pixels are fractions'),
        (np.zeros((0, 10, 3), np.uint8), r'\(0, 10, 3\)'),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path, image, message):
    with pytest.raises(ValueError, match=message):
        DirectPose(tiny_file(tmp_path / 'tiny.onnx'))(image)


def test_missing_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(ImportError, match='onnxruntime.*pip install onnxruntime'):
        DirectPose(tiny_file(tmp_path / 'model.onnx'))


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / 'text.onnx').write_text('text')
    for model, message in [
        (tmp_path / 'gone.onnx', 'gone.onnx: there is no such file'),
        (str(tmp_path / 'gone'), 'gone: there is no such file'),
        (tmp_path, 'is a folder'),
        (tmp_path / 'text.onnx', 'text.onnx cannot be opened as an ONNX model'),
        (7, 'the model is int'),
        ('no-such-name', "no .onnx weights named 'no-such-name'"),
    ]:
        with pytest.raises(ValueError, match=message):
            DirectPose(model)


def test_a_model_goes_to_another_process(tmp_path):
    run = DirectPose(tiny_file(tmp_path / 'tiny.onnx'), score_thr=0.25, threads=1)
    image = np.full((48, 96, 3), 20, np.uint8)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('spawn')) as pool:
        there = pool.submit(run, image).result(timeout=120)
    for got, wanted in zip(there, run(image)):
        np.testing.assert_array_equal(got, wanted)
    assert there.size == (96, 48) and there.keypoint_names == ['middle']
    assert pickle.loads(pickle.dumps(run)).score_thr == 0.25


def test_a_copy_is_opened_from_another_folder(tmp_path, monkeypatch):
    tiny_file(tmp_path / 'tiny.onnx')
    monkeypatch.chdir(tmp_path)
    pickled = pickle.dumps(DirectPose('tiny.onnx'))
    monkeypatch.chdir('/')
    assert pickle.loads(pickled).keypoint_names == ['middle']


PIXELS = np.zeros((8, 9, 3), np.uint8)


@pytest.mark.parametrize('one', ['a.jpg', Path('a.jpg'), PIXELS, Image.fromarray(PIXELS)])
def test_one_picture_is_not_taken_for_a_list(tmp_path, one):
    with pytest.raises(ValueError, match='predict takes a list of pictures; .* model'):
        DirectPose(tiny_file(tmp_path / 'tiny.onnx')).predict(one)


def test_a_pose_that_is_not_finite_is_left_out_with_a_warning(tmp_path):
    run = DirectPose(tiny_file(tmp_path / 'tiny.onnx'))
    keypoints = np.array([[[1, np.nan]], [[3, 4]], [[np.inf, 1]]], np.float32)
    rows = dict(keypoints=keypoints, scores=np.full(3, 0.9, np.float32), boxes=np.zeros((3, 4)))
    with pytest.warns(RuntimeWarning, match='tiny.onnx: poses .* not finite .* are left out'):
        poses = run._to_poses(PIXELS, (9, 8), rows)
    assert poses.keypoints.tolist() == [[[3, 4]]]
    ratings = np.full((3, 1), 0.5, np.float32)
    whole = dict(
        rows,
        keypoints=np.ones((3, 1, 2), np.float32),
        keypoint_scores=ratings,
        keypoints_hidden=ratings,
    )
    for name in ('scores', 'boxes', 'keypoint_scores', 'keypoints_hidden'):
        broken = whole[name].copy()
        broken[1], broken[2] = np.nan, np.inf
        with pytest.warns(RuntimeWarning, match='not finite'):
            assert len(run._to_poses(PIXELS, (9, 8), {**whole, name: broken}).scores) == 1
    rows['scores'] = np.array([-1, 0.9, -1], np.float32)  # rows that hold no pose may be anything
    with warnings.catch_warnings(action='error'):
        run._to_poses(PIXELS, (9, 8), rows)


def test_session_options_reach_onnx_runtime(tmp_path):
    file = tiny_file(tmp_path / 'tiny.onnx')
    run = DirectPose(file, threads=3, session_options=dict(inter_op_num_threads=2))
    options = run._session.get_session_options()
    assert options.intra_op_num_threads == 3 and options.inter_op_num_threads == 2
    usable = DirectPose(file)._session.get_session_options().intra_op_num_threads
    assert usable == len(os.sched_getaffinity(0))
    with pytest.raises(ValueError, match='no session option named thread'):
        DirectPose(file, session_options=dict(thread=1))
    for name, value in (('inter_op_num_threads', 'two'), ('session.load_model_format', 1)):
        with pytest.raises(ValueError, match=f'is no value for the session option {name}'):
            DirectPose(file, session_options={name: value})
    with pytest.raises(ValueError, match='no session option named get_session_config_entry'):
        DirectPose(file, session_options=dict(get_session_config_entry=1))
    with pytest.raises(ValueError, match='threads and intra_op_num_threads are the same'):
        DirectPose(file, threads=2, session_options=dict(intra_op_num_threads=1))
    entry = 'session.intra_op.allow_spinning'
    run = DirectPose(file, session_options={entry: '0'})
    assert run._session.get_session_options().get_session_config_entry(entry) == '0'


@pytest.mark.parametrize('wrong', [dict(score_thr=30), dict(score_thr='0.3'), dict(threads=0)])
def test_numbers_that_are_wrong_are_named(tmp_path, wrong):
    with pytest.raises(ValueError, match=f'{next(iter(wrong))} must be a '):
        DirectPose(tiny_file(tmp_path / 'tiny.onnx'), **wrong)


def test_a_provider_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match='NoSuchProvider is not available; .*CPUExecutionProvider'):
        DirectPose(
            tiny_file(tmp_path / 'tiny.onnx'), providers=[('NoSuchProvider', dict(device_id=0))]
        )


def test_a_provider_is_a_name_or_a_tuple(tmp_path):
    file = tiny_file(tmp_path / 'tiny.onnx')
    assert DirectPose(file, providers='CPUExecutionProvider').rates_keypoints is False
    for wrong in ([7], [()], [('CPUExecutionProvider', {}), None], None, 5):
        with pytest.raises(ValueError, match='providers must be a list of names'):
            DirectPose(file, providers=wrong)


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('seed', range(5))
def test_nms_equals_mmcv(seed, offset):
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 60, (80, 2)), rng.uniform(0, 50, (80, 2))
    boxes = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
    scores = rng.permutation(80).astype(np.float32)
    _, expected = mmcv_nms(
        torch.tensor(boxes), torch.tensor(scores), 0.4, offset=offset, max_num=20
    )
    assert nms(boxes, scores, 0.4, offset, 20).tolist() == expected.tolist()


def test_nms_of_nobody():
    assert nms(np.zeros((0, 4)), np.zeros(0), 0.4, 1, 100).shape == (0,)


def test_onnx_runtime_sends_no_events(tmp_path):
    """Unless told otherwise, it keeps events in the user's cache, and sends them from there."""
    home = tmp_path / 'home'
    home.mkdir()
    unset = ('ORT_DISABLE_TELEMETRY', 'XDG_CACHE_HOME')
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment.update(HOME=str(home), TMPDIR=str(home))
    picture = ROOT / 'directpose/examples/people_1.jpg'
    command = ['predict', picture, '--out', tmp_path / 'poses', '--save', 'jsonl']
    subprocess.run([sys.executable, '-m', 'directpose', *command], env=environment, check=True)
    assert (tmp_path / 'poses/poses.jsonl').is_file()
    assert not list(home.rglob('*onnxruntime*'))
