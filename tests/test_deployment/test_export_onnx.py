"""The exported file gives what the model gives, and says itself how it is to be used."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from mmengine.config import Config
from mmpose.apis import inference_bottomup, init_model
from PIL import ExifTags, Image
from synthetic.scene import draw_picture

from directpose.runtime import DirectPose, Poses
from tools.deployment.export_onnx import agree, compare, main, predict

TINY = 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py'


def picture(size, seed=0):
    return draw_picture(np.random.default_rng(seed), size).image


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A checkpoint whose model finds people, and its file with and without NMS."""
    folder = tmp_path_factory.mktemp('export')
    torch.manual_seed(0)
    cfg = Config.fromfile(TINY)
    model = init_model(cfg, device='cpu')
    for module in model.modules():  # so that BN, once folded, is more than nothing
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.8, 1.2)
    # far-apart scores, as a trained model has, and poses of the size of people
    torch.nn.init.normal_(model.head.conv_cls.weight, std=0.1)
    for predictor in model.head.keypoint_branch.predictors:
        torch.nn.init.normal_(predictor.bias, std=2.0)
    torch.save(dict(state_dict=model.state_dict()), folder / 'model.pth')
    for name, options in (('inside', ()), ('outside', ('--without-nms',))):
        main([TINY, str(folder / 'model.pth'), str(folder / f'{name}.onnx'), *options])
    return folder


@pytest.fixture(scope='module')
def model(folder):
    return init_model(TINY, str(folder / 'model.pth'), device='cpu')


@pytest.mark.parametrize('nms', ['inside', 'outside'])
@pytest.mark.parametrize('size', [90, 144, 400])
def test_equals_the_model(folder, model, nms, size):
    image = picture(size)
    scores = predict(model, image, 0.0).scores
    for score_thr in (float(np.median(scores)), 0.0):
        expected = predict(model, image, score_thr)
        got = DirectPose(folder / f'{nms}.onnx', score_thr=score_thr)(image)
        assert min(expected.scores.min(), got.scores.min()) >= score_thr
        assert len(expected.scores) > 3
        scores, pixels = compare(expected, got)
        assert scores < 1e-5 and pixels < 1e-2


@pytest.mark.parametrize('nms', ['inside', 'outside'])
def test_nobody_gives_empty_arrays(folder, nms):
    keypoints, scores, boxes = DirectPose(folder / f'{nms}.onnx', score_thr=1.0)(picture(100))
    assert keypoints.shape == (0, 17, 2) and scores.shape == (0,) and boxes.shape == (0, 4)


@pytest.mark.parametrize('nms', ['inside', 'outside'])
def test_batch_gives_what_single_pictures_give(folder, nms):
    images = [picture(size, seed) for seed, size in enumerate((144, 90, 144, 200, 144))]
    images += [images[0][::-1].copy()]
    run = DirectPose(folder / f'{nms}.onnx', score_thr=0.0)
    for one, image in zip(run.predict(images, batch_size=2), images):
        assert max(compare(run(image), one)) < 1e-3


def test_standard_operators_alone(folder):
    graph = onnx.load(folder / 'inside.onnx')
    assert {node.domain for node in graph.graph.node} == {''}
    names = {node.op_type for node in graph.graph.node}
    assert {'GridSample', 'NonMaxSuppression'} <= names
    assert not any('Deform' in name for name in names)
    outside = {node.op_type for node in onnx.load(folder / 'outside.onnx').graph.node}
    assert 'NonMaxSuppression' not in outside


def test_the_heatmap_branch_stays_out(folder, model):
    weights = sum(np.prod(w.dims) for w in onnx.load(folder / 'outside.onnx').graph.initializer)
    needed = sum(p.numel() for name, p in model.named_parameters() if 'heatmap_head' not in name)
    assert weights == pytest.approx(needed, rel=0.01)


def test_metadata_is_the_config(folder, model):
    run = DirectPose(folder / 'outside.onnx')
    assert run.score_thr == Config.fromfile(TINY).model.test_cfg.score_thr
    assert run.keypoint_names[:2] == ['nose', 'left_eye'] and len(run.keypoint_names) == 17
    assert [15, 13] in run.skeleton_links
    kept = onnx.load(folder / 'outside.onnx').metadata_props
    settings = json.loads({p.key: p.value for p in kept}['directpose'])
    assert settings['short_side'] == 124 and settings['pad_size_divisor'] == 32
    assert settings['nms'] == dict(iou_threshold=0.4, offset=1, max_per_img=100)


def test_another_file_is_refused(tmp_path):
    identity = onnx.helper.make_graph(
        [onnx.helper.make_node('Identity', ['x'], ['y'])],
        'g',
        [onnx.helper.make_tensor_value_info('x', onnx.TensorProto.FLOAT, [1])],
        [onnx.helper.make_tensor_value_info('y', onnx.TensorProto.FLOAT, [1])],
    )
    onnx.save(
        onnx.helper.make_model(
            identity, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=10
        ),
        tmp_path / 'other.onnx',
    )
    with pytest.raises(ValueError, match='other.onnx was not written by tools/deployment'):
        DirectPose(tmp_path / 'other.onnx')


def test_a_file_that_differs_is_not_kept(folder, tmp_path, monkeypatch):
    """The tool's own check can fail: the runtime is given a wrong picture."""
    call = DirectPose.__call__
    monkeypatch.setattr(DirectPose, '__call__', lambda self, image: call(self, image[:, ::-1]))
    out = tmp_path / 'model.onnx'
    with pytest.raises(SystemExit, match='model.onnx was not written: the file finds'):
        main([TINY, str(folder / 'model.pth'), str(out)])
    assert list(tmp_path.iterdir()) == []
    out.write_text('an older one')
    with pytest.raises(SystemExit, match='model.onnx was not written: the file finds'):
        main([TINY, str(folder / 'model.pth'), str(out)])
    assert list(tmp_path.iterdir()) == [out] and out.read_text() == 'an older one'


@pytest.mark.parametrize('part', ['onnx.checker.check_model', 'tools.deployment.export_onnx.check'])
def test_nothing_unchecked_is_left(folder, tmp_path, monkeypatch, part):
    """Neither by an error while the file is written nor by one while it is checked."""

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(part, interrupted)
    out = tmp_path / 'model.onnx'
    out.write_text('an older one')
    with pytest.raises(KeyboardInterrupt):
        main([TINY, str(folder / 'model.pth'), str(out)])
    assert list(tmp_path.iterdir()) == [out] and out.read_text() == 'an older one'


def test_an_older_file_is_replaced(folder, tmp_path):
    out = tmp_path / 'model.onnx'
    out.write_text('an older one')
    main([TINY, str(folder / 'model.pth'), str(out)])
    assert list(tmp_path.iterdir()) == [out]
    assert len(DirectPose(out).keypoint_names) == 17


def test_what_passes_for_rounding():
    def poses(x, score=0.5):
        keypoints = np.array([[[x, 10.0]]])
        return Poses(keypoints, np.array([score]), np.array([[5.0, 5.0, 20.0, 20.0]]))

    assert agree(poses(10.0), poses(10.0009), 1.0)
    assert not agree(poses(10.0), poses(10.0012), 1.0)
    assert agree(poses(20.0), poses(20.0018), 0.5)  # half as many input pixels
    assert agree(poses(-10000.0), poses(-10000.0009), 1.0)  # however far outside
    assert not agree(poses(-10000.0), poses(-10000.0012), 1.0)
    assert not agree(poses(10.0), poses(np.nan), 1.0)
    assert not agree(poses(10.0), poses(10.0, score=0.502), 1.0)
    nobody = Poses(np.empty((0, 1, 2)), np.empty(0), np.empty((0, 4)))
    assert agree(nobody, nobody, 1.0) and not agree(nobody, poses(10.0), 1.0)


@pytest.mark.parametrize('options', [(), ('--without-nms',)])
def test_fewer_candidates_than_people_at_most(folder, tmp_path, options):
    """10 a level are 50, and the config's ``max_per_img`` is 100."""
    config = tmp_path / 'few.py'
    config.write_text(
        f"_base_ = '{Path(TINY).resolve()}'\nmodel = dict(test_cfg=dict(nms_pre=10))\n"
    )
    out = tmp_path / 'model.onnx'
    main([str(config), str(folder / 'model.pth'), str(out), *options])
    few = init_model(str(config), str(folder / 'model.pth'), device='cpu')
    image = picture(144)
    expected = predict(few, image, score_thr=0.0)
    assert 3 < len(expected.scores) <= 50
    assert agree(expected, DirectPose(out, score_thr=0.0)(image), 1.0)


def test_the_guide_reads_a_turned_picture_upright(tmp_path, monkeypatch):
    """With Pillow as with OpenCV."""
    guide = Path('docs/en/deployment.md').read_text()
    (snippet,) = (
        block
        for block in re.findall(r'```python\n(.*?)```', guide, flags=re.DOTALL)
        if 'PIL' in block
    )
    monkeypatch.chdir(tmp_path)
    stored = np.zeros((32, 48, 3), dtype=np.uint8)
    stored[:16, :, 2] = 255  # red above
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned clockwise
    Image.fromarray(stored[:, :, ::-1]).save('picture.jpg', exif=exif)
    names = {}
    exec(snippet, names)
    assert names['picture'].shape == (48, 32, 3)
    np.testing.assert_allclose(
        names['picture'].astype(int), cv2.imread('picture.jpg').astype(int), atol=8
    )


def test_wrong_paths_are_named(folder, tmp_path):
    for argv, message in (
        ((tmp_path / 'no.py', folder / 'model.pth', tmp_path / 'm.onnx'), 'no.py'),
        ((TINY, tmp_path / 'no.pth', tmp_path / 'm.onnx'), 'no.pth'),
        ((TINY, folder / 'model.pth', tmp_path / 'no' / 'm.onnx'), 'there is no folder'),
        ((TINY, folder / 'model.pth', tmp_path), 'is a folder'),
    ):
        with pytest.raises(SystemExit, match=message):
            main([str(arg) for arg in argv])


def test_weights_of_another_model_are_refused(tmp_path):
    other = tmp_path / 'other.pth'
    torch.save(dict(state_dict=dict(weight=torch.zeros(1))), other)
    with pytest.raises(SystemExit, match='other.pth: lacks .* weights'):
        main([TINY, str(other), str(tmp_path / 'm.onnx')])
    assert not (tmp_path / 'm.onnx').exists()


def test_the_wrapper_leaves_the_model_as_it_is(model):
    from directpose.deployment import DeployModel

    image = picture(144)
    before = inference_bottomup(model, image)[0].pred_instances.keypoints
    names = list(model.state_dict())
    DeployModel(model)
    assert list(model.state_dict()) == names
    np.testing.assert_array_equal(
        inference_bottomup(model, image)[0].pred_instances.keypoints, before
    )


def test_torch_export_and_torchscript(model):
    """What the guide says of them."""
    from directpose.deployment import DeployModel

    wrapper = DeployModel(model)
    inputs = (torch.rand(1, 3, 256, 256) * 255, torch.tensor([[256, 250]]), torch.zeros(1))
    with torch.no_grad():
        expected = wrapper(*inputs)
        exported = torch.export.export(wrapper, inputs).module()(*inputs)
        traced = torch.jit.trace(wrapper, inputs)
        other = (torch.rand(2, 3, 128, 320) * 255, torch.tensor([[128, 320]] * 2), inputs[2])
        for got, wanted in (
            (exported, expected),
            (traced(*inputs), expected),
            (traced(*other), wrapper(*other)),
        ):
            for a, b in zip(got, wanted):
                torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-5)
