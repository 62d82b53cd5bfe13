"""What a model file says of itself is checked when the file is opened."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from directpose.runtime import DirectPose
from directpose.runtime.model import _fixed_sizes
from directpose.runtime.settings import METADATA_KEY
from tests.tiny_model import tiny_file

onnx = pytest.importorskip('onnx')


@pytest.fixture
def open_with(tmp_path):
    """Open the tiny model after its metadata was changed."""
    path = tiny_file(tmp_path / 'model.onnx')
    model = onnx.load(path)
    settings = json.loads(next(p.value for p in model.metadata_props if p.key == METADATA_KEY))

    def open_changed(text: str | None = None, **changes) -> DirectPose:
        changed = {key: value for key, value in {**settings, **changes}.items() if value is not ...}
        text = json.dumps(changed) if text is None else text
        onnx.helper.set_model_props(model, {METADATA_KEY: text})
        onnx.save(model, path)
        return DirectPose(path)

    return open_changed


def test_settings_that_the_export_writes_are_taken(open_with):
    nms = dict(iou_threshold=0.4, offset=1, max_per_img=5)
    assert open_with(nms=nms, score_thr=0).score_thr == 0


def test_sigmas_are_read_and_older_files_have_none(open_with):
    assert open_with(keypoint_sigmas=[0.025]).keypoint_sigmas == [0.025]
    assert open_with(keypoint_sigmas=[1]).keypoint_sigmas == [1]
    assert open_with(keypoint_sigmas=...).keypoint_sigmas is None


@pytest.mark.parametrize('text', ['{', '[1]', 'null', '[' * 100_000])
def test_what_is_no_json_object_is_refused(open_with, text):
    with pytest.raises(ValueError, match=r'model\.onnx: its metadata .*; export the model again'):
        open_with(text)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(short_side=...), 'lacks short_side'),
        (dict(keypoint_names=...), 'lacks keypoint_names'),
        (dict(nms=...), 'lacks nms'),
        (dict(short_side=0), 'has 0 for short_side'),
        (dict(max_long_side=-5), 'has -5 for max_long_side'),
        (dict(pad_size_divisor=0), 'has 0 for pad_size_divisor'),
        (dict(pad_size_divisor=True), 'has True for pad_size_divisor'),
        (dict(short_side=32.5), r'has 32\.5 for short_side'),
        (dict(score_thr='0.1'), "has '0.1' for score_thr"),
        (dict(skeleton_links=None), 'has None for skeleton_links'),
        (dict(short_side=10**6), 'has 1000000 for short_side'),
        (dict(pad_size_divisor=50_000), 'has 50000 for pad_size_divisor'),
        (dict(score_thr=float('nan')), 'has nan for score_thr'),
        (dict(score_thr=10**400), 'has 10{79} for score_thr'),
        (dict(score_thr=-1), 'has -1 for score_thr'),
        (dict(nms={}), 'has {} for nms'),
        (dict(nms=dict(iou_threshold=0.4, offset=1, max_per_img='5')), "'5'} for nms"),
        (dict(nms=dict(iou_threshold=[], offset=1, max_per_img=5)), 'for nms'),
        (dict(keypoint_names=[3]), r'has \[3\] for keypoint_names'),
        (dict(skeleton_links=[[0, 'nose']]), r"has \[\[0, 'nose'\]\] for skeleton_links"),
        (dict(skeleton_links=[[0, 7]]), 'more than the 1 keypoints'),
        (dict(keypoint_sigmas=0.05), r'has 0\.05 for keypoint_sigmas'),
        (dict(keypoint_sigmas={'0': 0.05}), 'for keypoint_sigmas'),
        (dict(keypoint_sigmas=['0.05']), r"has \['0\.05'\] for keypoint_sigmas"),
        (dict(keypoint_sigmas=[None]), r'has \[None\] for keypoint_sigmas'),
        (dict(keypoint_sigmas=[True]), r'has \[True\] for keypoint_sigmas'),
        (dict(keypoint_sigmas=[[0.05]]), r'has \[\[0\.05\]\] for keypoint_sigmas'),
        (dict(keypoint_sigmas=[float('nan')]), r'has \[nan\] for keypoint_sigmas'),
        (dict(keypoint_sigmas=[float('inf')]), r'has \[inf\] for keypoint_sigmas'),
        (dict(keypoint_sigmas=[0]), r'has \[0\] for keypoint_sigmas'),
        (dict(keypoint_sigmas=[-0.05]), r'has \[-0\.05\] for keypoint_sigmas'),
        (dict(keypoint_sigmas=[1e-200]), r'has \[1e-200\] for keypoint_sigmas'),
        (dict(keypoint_sigmas=[1e200]), r'has \[1e\+200\] for keypoint_sigmas'),
        (dict(keypoint_sigmas=[10**400]), r'has \[10{70,} for keypoint_sigmas'),
        (dict(keypoint_sigmas=[]), 'has 0 keypoint_sigmas for the 1 keypoints'),
        (dict(keypoint_sigmas=[0.05, 0.05]), 'has 2 keypoint_sigmas for the 1 keypoints'),
        (dict(keypoint_names=['a', 'b']), 'name 2 keypoints, and its output has 1'),
    ],
)
def test_settings_that_are_wrong_are_refused_by_name(open_with, changes, message):
    with pytest.raises(ValueError, match=message):
        open_with(**changes)


def test_an_output_that_is_not_there_is_named(tmp_path):
    path = tiny_file(tmp_path / 'model.onnx')
    model = onnx.load(path)
    del model.graph.output[2]
    onnx.save(model, path)
    with pytest.raises(ValueError, match=r'model\.onnx: this file has no boxes; export'):
        DirectPose(path)


def fix_sizes(path, *sizes):
    model = onnx.load(path)
    for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim, sizes):
        if size is not None:
            dim.dim_value = size
    onnx.save(model, path)
    return DirectPose(path)


def test_a_file_of_fixed_size_names_the_size_that_it_takes(tmp_path):
    run = fix_sizes(tiny_file(tmp_path / 'model.onnx'), None, None, 32, 64)
    assert len(run(np.zeros((20, 40, 3), np.uint8)).scores) == 1
    message = r'model\.onnx: .* inputs of 32 x 64 .* this picture needs 32 x 32'
    with pytest.raises(ValueError, match=message):
        run(np.zeros((20, 20, 3), np.uint8))


@pytest.mark.parametrize('size', [1, 2, 4])
def test_a_file_for_batches_of_one_size_takes_any_number_of_pictures(tmp_path, size):
    run = fix_sizes(tiny_file(tmp_path / 'model.onnx'), size)
    pictures = [np.full((20, 40, 3), level, np.uint8) for level in (10, 20, 30)]
    assert [round(float(poses.scores[0])) for poses in run.predict(pictures)] == [10, 20, 30]
    assert round(float(run(pictures[1]).scores[0])) == 20
    with pytest.raises(ValueError, match='batch_size must be a whole number'):
        run.predict(pictures, batch_size='x')


def test_an_input_that_is_not_there_is_named(tmp_path):
    path = tiny_file(tmp_path / 'model.onnx')
    model = onnx.load(path)
    model.graph.input[0].name = model.graph.node[0].input[0] = 'pixels'
    onnx.save(model, path)
    with pytest.raises(ValueError, match=r'model\.onnx: this file has no images; export'):
        DirectPose(path)


@pytest.mark.parametrize(
    'shape, sizes',
    [
        (None, [None] * 4),
        ([], [None] * 4),
        (['batch', 3, 'height', 64], [None, 3, None, 64]),
        ([1, 2, 3, 4, 5], [1, 2, 3, 4]),
    ],
)
def test_sizes_of_any_rank_are_read(shape, sizes):
    assert _fixed_sizes('a.onnx', [SimpleNamespace(name='x', shape=shape)], 'x') == sizes
