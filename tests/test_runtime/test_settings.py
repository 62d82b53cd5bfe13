"""What a model file says of itself is checked when the file is opened."""

import json

import pytest

from directpose.runtime import DirectPose
from directpose.runtime.model import METADATA_KEY
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
    ],
)
def test_settings_that_are_wrong_are_refused_by_name(open_with, changes, message):
    with pytest.raises(ValueError, match=message):
        open_with(**changes)
