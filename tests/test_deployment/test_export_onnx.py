"""The exported file gives what the model gives, and says itself how it is to be used."""

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mmengine.config import Config
from mmpose.apis import inference_bottomup, init_model
from onnxruntime.tools.onnx_model_utils import fix_output_shapes, make_dim_param_fixed
from PIL import Image
from pycocotools.cocoeval import Params
from synthetic.scene import draw_picture

from directpose.datasets.transforms import ShortSideResize
from directpose.deployment import (
    DeployModel,
    convert_to_half,
    export_onnx,
    quantize,
    verify_onnx,
)
from directpose.deployment.verify import Difference, compare_poses
from directpose.runtime import DirectPose
from tools.deployment.export_onnx import main

STRIDES = (8, 16, 32, 64, 128)
TINY = 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py'


def picture(size, seed=0):
    return draw_picture(np.random.default_rng(seed), size).image


def find(model, image, **test_cfg):
    """What the PyTorch model finds, in pixels of the picture."""
    before = dict(model.test_cfg)
    model.test_cfg.update(test_cfg)
    try:
        found = inference_bottomup(model, image)[0].pred_instances
    finally:
        model.test_cfg.update(before)
    return found.keypoints, found.bbox_scores, found.bboxes


def assert_same(got, expected, pixels=1e-3):
    for one, other, tolerance in zip(got, expected, (pixels, 1e-5, pixels)):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


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
    _, scores, _ = find(model, image, score_thr=0.0)
    for score_thr in (float(np.median(scores)), 0.0):
        expected = find(model, image, score_thr=score_thr)
        assert len(expected[1]) > 3
        got = DirectPose(folder / f'{nms}.onnx', score_thr=score_thr)(image)
        assert min(expected[1].min(), got.scores.min()) >= score_thr
        assert_same(got, expected, pixels=1e-2)


@pytest.mark.parametrize('nms', ['inside', 'outside'])
def test_nobody_gives_empty_arrays(folder, nms):
    keypoints, scores, boxes = DirectPose(folder / f'{nms}.onnx', score_thr=1.0)(picture(100))
    assert keypoints.shape == (0, 17, 2) and scores.shape == (0,) and boxes.shape == (0, 4)


@pytest.mark.parametrize('nms', ['inside', 'outside'])
def test_batch_gives_what_single_pictures_give(folder, nms):
    images = [picture(size, seed) for seed, size in enumerate((144, 90, 144, 200, 144))]
    images += [images[0][::-1].copy()]
    run = DirectPose(folder / f'{nms}.onnx', score_thr=0.0)
    for one, image in zip(run.predict(images, batch_size=3), images):
        assert_same(one, run(image))


def test_standard_operators_alone(folder):
    graph = onnx.load(folder / 'inside.onnx')
    assert {node.domain for node in graph.graph.node} == {''}
    names = {node.op_type for node in graph.graph.node}
    assert {'GridSample', 'NonMaxSuppression'} <= names
    assert 'If' not in names
    assert not any('Deform' in name for name in names)
    outside = {node.op_type for node in onnx.load(folder / 'outside.onnx').graph.node}
    assert 'NonMaxSuppression' not in outside


def test_the_heatmap_branch_stays_out(folder, model):
    weights = sum(np.prod(w.dims) for w in onnx.load(folder / 'outside.onnx').graph.initializer)
    needed = sum(p.numel() for name, p in model.named_parameters() if 'heatmap_head' not in name)
    assert weights == pytest.approx(needed, rel=0.01)


def test_weights_in_half_precision_take_half_the_size_and_lose_nothing(folder, tmp_path):
    checkpoint = torch.load(folder / 'model.pth', weights_only=True)['state_dict']
    halved = {name: w.half() if w.is_floating_point() else w for name, w in checkpoint.items()}
    torch.save(dict(state_dict=halved), tmp_path / 'half.pth')
    out = tmp_path / 'half.onnx'
    main([TINY, str(tmp_path / 'half.pth'), str(out), '--half-weights'])
    assert out.stat().st_size < 0.6 * (folder / 'inside.onnx').stat().st_size
    expected = find(init_model(TINY, str(tmp_path / 'half.pth'), 'cpu'), picture(144), score_thr=0)
    assert len(expected[1]) > 3
    assert_same(DirectPose(out, score_thr=0.0)(picture(144)), expected, pixels=1e-2)


def test_weights_that_half_precision_cannot_hold_are_refused(folder, tmp_path):
    with pytest.raises(SystemExit, match='was not written'):
        main([TINY, str(folder / 'model.pth'), str(tmp_path / 'half.onnx'), '--half-weights'])
    assert not list(tmp_path.iterdir())


def test_metadata_is_the_config(folder, model):
    run = DirectPose(folder / 'outside.onnx')
    assert run.score_thr == Config.fromfile(TINY).model.test_cfg.score_thr
    assert run.keypoint_names[:2] == ['nose', 'left_eye'] and len(run.keypoint_names) == 17
    assert [15, 13] in run.skeleton_links
    # rounded, so that the float32 of the metainfo leaves no trace
    assert run.keypoint_sigmas == pytest.approx(Params('keypoints').kpt_oks_sigmas, rel=1e-12)
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


def shape_of(value):
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize('nms, rows', [('inside', 100), ('outside', 5000)])
def test_dimensions_are_named_for_what_they_are(folder, nms, rows):
    graph = onnx.load(folder / f'{nms}.onnx').graph
    shapes = {value.name: shape_of(value) for value in (*graph.input, *graph.output)}
    assert shapes == dict(
        images=['batch', 3, 'height', 'width'],
        image_sizes=['batch', 2],
        score_thr=[1],
        keypoints=['batch', rows, 17, 2],
        scores=['batch', rows],
        boxes=['batch', rows, 4],
    )


@pytest.mark.parametrize('nms', ['inside', 'outside'])
def test_a_file_of_fixed_sizes_runs(folder, tmp_path, capfd, nms):
    """Sizes are fixed by ONNX Runtime's own tool, as engines with static shapes need."""
    inputs = dict(
        images=np.random.default_rng(0).random((2, 3, 128, 160), dtype=np.float32) * 255,
        image_sizes=np.array([[128, 150], [100, 160]], dtype=np.int64),
        score_thr=np.zeros(1, dtype=np.float32),
    )
    fixed = onnx.load(folder / f'{nms}.onnx')
    for name, size in dict(batch=2, height=128, width=160).items():
        make_dim_param_fixed(fixed.graph, name, size)
    fix_output_shapes(fixed)
    assert all(isinstance(d, int) for v in fixed.graph.output for d in shape_of(v))
    onnx.save(fixed, tmp_path / 'fixed.onnx')
    expected, got = (
        onnxruntime.InferenceSession(path).run(None, inputs)
        for path in (folder / f'{nms}.onnx', tmp_path / 'fixed.onnx')
    )
    assert (expected[1] >= 0).sum() > 20
    for one, other in zip(got, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-3)
    assert 'shape' not in capfd.readouterr().err  # no warning that shapes contradict each other


@pytest.mark.parametrize('nms', ['inside', 'outside'])
def test_keypoints_are_sampled_at_the_candidates_alone(folder, model, nms):
    """Unless NMS is left out: then no shape depends on the scores, which some engines need."""
    written = onnx.load(folder / f'{nms}.onnx')
    samples = [node.output[0] for node in written.graph.node if node.op_type == 'GridSample']
    names = [*samples, *(f'{name}_{s}' for name in ('cls_score', 'centerness') for s in STRIDES)]
    written.graph.output.extend(map(onnx.helper.make_empty_tensor_value_info, names))
    session = onnxruntime.InferenceSession(written.SerializeToString())
    inputs = dict(
        images=np.stack([picture(200, i)[:128, :128].transpose(2, 0, 1) for i in (0, 1)]).astype(
            'f4'
        ),
        image_sizes=np.full((2, 2), 128),
    )
    for score_thr in (0.0, 0.5, 0.9):
        threshold = np.array([score_thr], dtype=np.float32)
        outputs = dict(zip(names, session.run(names, dict(inputs, score_thr=threshold))))
        expected = []
        for stride in STRIDES:
            cls, centerness = (
                1 / (1 + np.exp(-outputs[f'{name}_{stride}'].reshape(2, -1)))
                for name in ('cls_score', 'centerness')
            )
            found = (cls > model.test_cfg.cls_thr) & (cls * centerness >= score_thr)
            # As many as the image that has the most, and one at least.
            expected.append(max(1, *found.sum(axis=1)) if nms == 'inside' else cls.shape[1])
        # The first groups sample the finest level, the others the next finer one.
        points = sum(outputs[name].shape[-1] for name in samples)
        assert points == 2 * sum(expected)


def test_boxes_that_nms_gets_have_four_numbers_whatever_the_size(folder):
    """OpenVINO refuses NMS of boxes whose last length it does not know."""
    graph = onnx.shape_inference.infer_shapes(
        onnx.load(folder / 'inside.onnx'), data_prop=True
    ).graph
    (boxes,) = (node.input[0] for node in graph.node if node.op_type == 'NonMaxSuppression')
    (shape,) = (shape_of(value) for value in graph.value_info if value.name == boxes)
    assert shape[0] == 1 and shape[2] == 4


@pytest.fixture(scope='module')
def copied(folder):
    """A stand-in for ``export_onnx`` that copies the file which was written already."""

    def copy(model, path, *args):
        shutil.copy(folder / 'inside.onnx', path)

    return copy


@pytest.fixture
def quick_export(copied, monkeypatch):
    """Exports by copying the file that was written already."""
    monkeypatch.setattr('directpose.deployment.verify.export_onnx', copied)


def test_a_file_that_differs_is_not_kept(folder, tmp_path, monkeypatch, quick_export):
    """The tool's own check can fail: the runtime is given a wrong picture."""
    predict = DirectPose.predict
    monkeypatch.setattr(
        DirectPose,
        'predict',
        lambda self, images: predict(self, [image[:, ::-1] for image in images]),
    )
    out = tmp_path / 'model.onnx'
    for older in ([], [out]):
        with pytest.raises(SystemExit, match='model.onnx was not written: the poses found in'):
            main([TINY, str(folder / 'model.pth'), str(out)])
        assert list(tmp_path.iterdir()) == older
        out.write_text('an older one')
    assert out.read_text() == 'an older one'


def test_a_file_for_one_picture_at_a_time_is_refused(folder, model, tmp_path):
    """As if the export had taken the number of images for a constant."""
    written = onnx.load(folder / 'inside.onnx')
    for node in written.graph.node:
        node.input[:] = ['first' if name == 'images' else name for name in node.input]
    shape = np.array([1, 3, 0, 0])  # 0 keeps a length
    written.graph.initializer.append(onnx.numpy_helper.from_array(shape, 'shape'))
    first = onnx.helper.make_node('Reshape', ['images', 'shape'], ['first'])
    written.graph.node.insert(0, first)
    onnx.save(written, tmp_path / 'one.onnx')
    with pytest.raises(ValueError, match='cannot run three times a picture of .* at once'):
        verify_onnx(model, tmp_path / 'one.onnx', picture(144))


@pytest.mark.parametrize('part', ['export_onnx', 'verify_onnx'])
def test_nothing_unchecked_is_left(folder, tmp_path, monkeypatch, quick_export, part):
    """Neither by an error while the file is written nor by one while it is checked."""

    def interrupted(model, path, *args):
        Path(path).write_text('half of it')
        raise KeyboardInterrupt

    monkeypatch.setattr(f'directpose.deployment.verify.{part}', interrupted)
    out = tmp_path / 'model.onnx'
    out.write_text('an older one')
    with pytest.raises(KeyboardInterrupt):
        main([TINY, str(folder / 'model.pth'), str(out)])
    assert list(tmp_path.iterdir()) == [out] and out.read_text() == 'an older one'


def test_an_older_file_is_replaced(folder, tmp_path, quick_export):
    out = tmp_path / 'model.onnx'
    out.write_text('an older one')
    main([TINY, str(folder / 'model.pth'), str(out)])
    assert list(tmp_path.iterdir()) == [out]
    assert len(DirectPose(out).keypoint_names) == 17


@pytest.mark.parametrize('with_nms', [True, False])
def test_fewer_candidates_than_people_at_most(model, tmp_path, with_nms):
    """10 a level are 50, and the config's ``max_per_img`` is 100."""
    few = copy.deepcopy(model)
    few.test_cfg['nms_pre'] = 10
    out = tmp_path / 'model.onnx'
    export_onnx(few, out, ShortSideResize(124, 1000), with_nms)
    assert shape_of(onnx.load(out).graph.output[1]) == ['batch', 50]
    expected = find(few, picture(144), score_thr=0.0)
    assert 3 < len(expected[1]) <= 50
    assert_same(DirectPose(out, score_thr=0.0)(picture(144)), expected)


def test_wrong_paths_are_named(folder, tmp_path):
    (tmp_path / 'no.py').write_text('text = 1')
    (tmp_path / 'folder.onnx').mkdir()
    for argv, message in (
        ((tmp_path / 'gone.py', folder / 'model.pth', tmp_path / 'm.onnx'), 'gone.py'),
        ((TINY, tmp_path / 'no.pth', tmp_path / 'm.onnx'), 'no.pth'),
        ((TINY, folder / 'model.pth', tmp_path / 'no.py' / 'm.onnx'), 'can be written there'),
        ((TINY, folder / 'model.pth', '/proc/m.onnx'), 'nothing can be written there'),
        ((TINY, folder / 'model.pth', tmp_path / 'folder.onnx'), 'this is a folder'),
        ((TINY, folder / 'model.pth', tmp_path / f'{"m" * 300}.onnx'), 'File name too long'),
        ((TINY, folder / 'model.pth', tmp_path / 'm.pt'), 'end the name with .onnx'),
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


@pytest.fixture(scope='module')
def int8(folder, copied):
    """The file in eight-bit integers, with ranges from four pictures."""
    pictures = folder / 'pictures'
    pictures.mkdir()
    for seed in range(4):
        Image.fromarray(picture(144, seed)).save(pictures / f'{seed}.png')
    path = folder / 'int8.onnx'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('directpose.deployment.verify.export_onnx', copied)
        main([TINY, str(folder / 'model.pth'), str(path), '--int8', str(pictures)])
    return path


def test_convolutions_of_int8_compute_in_eight_bits(folder, int8):
    graph, before = onnx.load(int8).graph, onnx.load(folder / 'inside.onnx')
    maker = {output: node for node in graph.node for output in node.output}
    weights = {weight.name: onnx.numpy_helper.to_array(weight) for weight in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == 'Conv']
    assert len(convolutions) == sum(node.op_type == 'Conv' for node in before.graph.node)
    exact = [n for n in convolutions if maker[n.input[0]].op_type != 'DequantizeLinear']
    channels = {weights[node.input[1]].shape[1] for node in exact}  # of each group
    # tower and locator on five levels, what is sampled and its projection on four
    assert len(exact) == 2 * 5 + 2 * 4 and channels == {16}
    for node in convolutions:
        if node in exact:
            continue
        image, kernel = (maker[name] for name in node.input[:2])
        assert image.op_type == kernel.op_type == 'DequantizeLinear'
        integers, scales = (weights[name] for name in kernel.input[:2])
        assert integers.dtype == np.int8 and scales.shape == integers.shape[:1]
    # A convolution is rounded after its ReLU, not before, unless something else reads it too.
    relus = [node for node in graph.node if node.op_type == 'Relu']
    twice = [node.name for node in relus if maker[node.input[0]].op_type == 'DequantizeLinear']
    assert twice == ['/neck/Relu']
    assert onnx.load(int8).metadata_props == before.metadata_props
    assert int8.stat().st_size < 0.5 * (folder / 'inside.onnx').stat().st_size


def test_int8_finds_nearly_the_same_people(folder, int8):
    image = picture(144, seed=9)
    exact, rounded = (DirectPose(path, score_thr=0) for path in (folder / 'inside.onnx', int8))
    best = exact(image).keypoints[0]
    errors = np.linalg.norm(rounded(image).keypoints - best, axis=-1).mean(axis=1)
    assert 1e-3 < errors.min() < 3


def test_ranges_of_int8_are_those_of_the_pictures(folder, tmp_path):
    scales = []
    for name, level in (('dark', 50), ('bright', 250)):
        path = tmp_path / f'{name}.onnx'
        quantize(folder / 'inside.onnx', path, [np.full((64, 64, 3), level, np.uint8)])
        values = {w.name: onnx.numpy_helper.to_array(w) for w in onnx.load(path).graph.initializer}
        names = [
            node.input[1] for node in onnx.load(path).graph.node if node.op_type == 'QuantizeLinear'
        ]
        scales.append([float(values[name]) for name in names])
    dark, bright = np.array(scales)
    assert (dark != bright).mean() > 0.9


def test_int8_without_pictures_is_refused(folder, tmp_path):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'broken.png').write_text('text')
    out = tmp_path / 'model.onnx'
    out.write_text('older')
    for pictures, message in (
        ([], '--int8 needs pictures'),
        (['empty'], 'no pictures in: .*empty'),
        (['absent'], 'absent: there is no such file'),
        (['broken.png'], 'broken.png: the file is not a picture'),
    ):
        paths = [str(tmp_path / name) for name in pictures]
        with pytest.raises(SystemExit, match=message):
            main([TINY, str(folder / 'model.pth'), str(out), '--int8', *paths])
    with pytest.raises(ValueError, match='none were given'):
        quantize(folder / 'inside.onnx', out, [])
    assert out.read_text() == 'older'
    black = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ValueError, match='there is no folder'):
        quantize(folder / 'inside.onnx', tmp_path / 'gone/model.onnx', [black])
    quantize('directpose-tiny', out, [black])
    with pytest.raises(ValueError, match='model.onnx: this model has eight-bit integers already'):
        quantize(out, tmp_path / 'twice.onnx', [black])


def test_fp16_computes_in_half_precision_and_finds_the_same(folder, model, tmp_path):
    out = tmp_path / 'half.onnx'
    main([TINY, str(folder / 'model.pth'), str(out), '--fp16'])
    graph = onnx.load(out).graph
    weights = [w for w in graph.initializer if len(w.dims) == 4]
    assert {w.data_type for w in weights} == {onnx.TensorProto.FLOAT16}
    assert {one.type.tensor_type.elem_type for one in graph.output} == {onnx.TensorProto.FLOAT}
    expected = DirectPose(folder / 'inside.onnx')(picture(144))
    got = DirectPose(out)(picture(144))
    _, difference = compare_poses(expected, got, 144, missing=0.5)
    assert 0 < difference < 0.01
    for convert in (lambda *args: convert_to_half(*args[:2], model, args[2]), quantize):
        with pytest.raises(ValueError, match=r'half\.onnx: this model computes in half precision'):
            convert(out, tmp_path / 'again.onnx', [picture(90)])
        with pytest.raises(ValueError, match='none were given'):
            convert(folder / 'inside.onnx', tmp_path / 'again.onnx', [])
        with pytest.raises(ValueError, match='there is no folder'):
            convert(folder / 'inside.onnx', tmp_path / 'gone/again.onnx', [picture(90)])


def test_a_file_that_computes_something_else_is_refused(folder, model, tmp_path, monkeypatch):
    """As if half precision could not hold the model. CPUs compute it in single precision."""

    def convert(model, keep_io_types):
        for weight in model.graph.initializer:
            if len(weight.dims) == 1:
                values = onnx.numpy_helper.to_array(weight) + np.float32(0.3)
                weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        return model

    module = 'directpose.deployment.half_precision'
    monkeypatch.setattr(f'{module}.convert_float_to_float16', convert)
    out = tmp_path / 'half.onnx'
    with pytest.raises(ValueError, match='the scores of a picture of .* more than 5e-02'):
        convert_to_half(folder / 'inside.onnx', out, model, [picture(144)])
    assert not list(tmp_path.iterdir())


def test_a_file_that_finds_other_poses_is_refused(folder, model, tmp_path, monkeypatch):
    """Poses may differ less than single locations."""
    difference = Difference((144, 144), scores=0.0, positions=0.0, people=9, poses=0.011)
    module = 'directpose.deployment.half_precision'
    monkeypatch.setattr(f'{module}.verify_onnx', lambda *args: difference)
    with pytest.raises(
        ValueError, match=r'in half precision the poses differ by 1\.1e-02 .* 1e-02'
    ):
        convert_to_half(folder / 'inside.onnx', tmp_path / 'half.onnx', model, [picture(144)])
    assert not list(tmp_path.iterdir())


def config_with(path, **test_dataloader):
    cfg = Config.fromfile(TINY)
    cfg.test_dataloader = test_dataloader or None
    cfg.dump(path)
    return str(path)


def test_a_name_of_the_most_letters_and_a_wrapped_data_set_are_taken(folder, tmp_path):
    inner = Config.fromfile(TINY).test_dataloader.dataset
    wrapped = config_with(tmp_path / 'own.py', dataset=dict(type='RepeatDataset', dataset=inner))
    out = tmp_path / f'{"m" * 250}.onnx'
    main([wrapped, str(folder / 'model.pth'), str(out)])
    assert_same(DirectPose(out)(picture(90)), DirectPose(folder / 'inside.onnx')(picture(90)))


def test_a_config_that_does_not_say_how_a_picture_is_prepared_is_refused(folder, tmp_path):
    inner = Config.fromfile(TINY).test_dataloader.dataset
    other = {**inner, 'pipeline': inner.pipeline[:2]}
    both = dict(type='CombinedDataset', datasets=[inner, other], pipeline=[])
    for test_dataloader, message in (
        ({}, 'own.py: the config has no test_dataloader'),
        (dict(dataset=both), 'own.py: the data sets of test_dataloader have 2 pipelines'),
    ):
        config = config_with(tmp_path / 'own.py', **test_dataloader)
        with pytest.raises(SystemExit, match=message):
            main([config, str(folder / 'model.pth'), str(tmp_path / 'model.onnx')])
