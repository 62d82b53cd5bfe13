"""No code in a file is ever run: every entry point that reads files, against files with code.

A command line without a row, or a module that reads files and has no row, fails here too.
"""

import ast
import os
import pickle
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from directpose.analysis import Subject, write_picture
from directpose.cli.config import read_config
from directpose.pictures import read_picture, read_size
from directpose.runtime import DirectPose
from tests.load_tool import run_tool
from tests.test_runtime.test_runtime import tiny_file

ROOT = Path(__file__).resolve().parents[1]
TINY = str(ROOT / 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py')
COCO_NAMES = 'annotations/person_keypoints_{}2017.json'

TRAIN = (
    'tools/train.py {config} --work-dir {out}/run --data-root {data} --cfg-options '
    'train_cfg.max_iters=1 train_dataloader.batch_size=2 val_dataloader=None val_cfg=None '
    'val_evaluator=None'
)
TEST = 'tools/test.py {config} {checkpoint} --work-dir {out}/run --data-root {data}'

# A kind of file that could hold code, and the command lines that read one at {evil}. A `resumed`
# checkpoint is whole but for the code in its texts, and shall be used without running that.
ROWS = [
    ('checkpoint', TRAIN + ' --resume {evil}'),
    ('checkpoint', TRAIN + ' load_from={evil}'),
    ('pretrained', TRAIN.replace('{config}', '{evil}')),
    ('resumed', TRAIN + ' --resume {evil}'),
    ('resumed', TRAIN + ' --resume'),
    ('resumed', TRAIN.replace('{out}/run', '{out}/new') + ' load_from={evil}'),
    ('annotations', TRAIN + ' train_dataloader.dataset.ann_file={evil}'),
    ('config', 'tools/train.py {evil}'),
    ('checkpoint', TEST.replace('{checkpoint}', '{evil}')),
    ('resumed', TEST.replace('{checkpoint}', '{evil}')),
    ('annotations', TEST + ' --cfg-options test_dataloader.dataset.ann_file={evil}'),
    ('config', 'tools/test.py {evil} {checkpoint}'),
    ('checkpoint', 'demo/image_demo.py {picture} {config} {evil} --out-dir {out}'),
    ('resumed', 'demo/image_demo.py {picture} {config} {evil} --out-dir {out}'),
    ('picture', 'demo/image_demo.py {evil} {config} {checkpoint} --out-dir {out}'),
    ('config', 'demo/image_demo.py {picture} {evil} {checkpoint} --out-dir {out}'),
    ('picture', 'directpose/__main__.py predict {evil} --model {onnx} --out {out}/poses'),
    ('video', 'directpose/__main__.py predict {evil} --model {onnx} --out {out}/poses'),
    ('onnx', 'directpose/__main__.py predict {picture} --model {evil} --out {out}/poses'),
    ('checkpoint', 'tools/deployment/export_onnx.py {config} {evil} {out}/model.onnx'),
    ('config', 'tools/deployment/export_onnx.py {evil} {checkpoint} {out}/model.onnx'),
    ('picture', 'tools/deployment/export_onnx.py {config} {checkpoint} {out}/m.onnx --int8 {evil}'),
    ('checkpoint', 'tools/model_converters/directpose_to_mmpose.py {evil} {out}/model.pth'),
    ('checkpoint', 'tools/model_converters/fcos_to_directpose.py {evil} {out}/model.pth'),
    ('picture', 'tools/analysis_tools/contact_sheet.py {folder} {out}/sheet.jpg'),
    ('poses', 'tools/analysis_tools/compare_poses.py {evil} {evil}'),
    ('annotations', 'tools/analysis_tools/analyze_results.py {results} {evil} --out-dir {out}'),
    ('poses', 'tools/analysis_tools/analyze_results.py {evil} {annotations} --out-dir {out}'),
    ('poses', 'tools/analysis_tools/analyze_keypoint_scores.py {evil} {annotations}'),
    ('annotations', 'tools/analysis_tools/analyze_keypoint_scores.py {results} {evil}'),
    ('runs', 'tools/analysis_tools/ablation_table.py {out}'),
    ('log', 'tools/analysis_tools/analyze_logs.py {evil} --out {out}/curves.png'),
    ('config', 'tools/analysis_tools/browse_dataset.py {evil} --out-dir {out}'),
    (
        'annotations',
        'tools/analysis_tools/browse_dataset.py {config} --out-dir {out} --data-root {data} '
        '--cfg-options train_dataloader.dataset.ann_file={evil}',
    ),
    ('checkpoint', 'tools/analysis_tools/draw_kpalign.py {picture} {config} {evil} {out}/a.png'),
    ('picture', 'tools/analysis_tools/draw_kpalign.py {evil} {config} {checkpoint} {out}/a.png'),
    ('config', 'tools/analysis_tools/draw_kpalign.py {picture} {evil} {checkpoint} {out}/a.png'),
    ('config', 'tools/analysis_tools/benchmark.py {evil}'),
    ('config', 'tools/analysis_tools/get_flops.py {evil}'),
    ('config', 'tools/analysis_tools/get_memory.py {evil}'),
    ('config', 'tools/analysis_tools/plot_cost.py {evil} {out}/cost.png'),
    ('config', 'tools/analysis_tools/plot_people_cost.py {evil} {out}/cost.png'),
    ('annotations', 'tools/check_dataset.py {evil} {data}/val2017'),
    ('annotations', 'tools/dataset_converters/make_coco_subset.py {evil} {data}/val2017 {out}/a'),
    ('annotations', 'tools/dataset_converters/merge_categories.py {evil} {out}/a.json --name x'),
    ('settings', 'tools/dataset_converters/make_synthetic_coco.py {out}/drawn --train 1 --val 1'),
    ('picture', 'tools/dataset_converters/make_rendered_coco.py {out}/a --backgrounds {folder}'),
]

# Command lines that read no file of a user's.
READ_NOTHING = {
    'tools/check_env.py': 'looks at what is installed, and at the lock of the repository',
    'tools/dataset_converters/make_drawn_mice.py': 'draws',
}

# Modules that read files, and the kind of row that has them read one.
READERS = {
    'demo/image_demo.py': 'checkpoint',
    'directpose/analysis/logs.py': 'log',
    'directpose/analysis/results.py': 'poses',
    'directpose/cli/checkpoint.py': 'checkpoint',
    'directpose/cli/config.py': 'config',
    'directpose/cli/resume.py': 'resumed',
    'directpose/dataset_check/annotations.py': 'annotations',
    'directpose/dataset_check/images.py': 'picture',
    'directpose/datasets/reading.py': 'annotations',
    'directpose/deployment/export.py': 'onnx',
    'directpose/engine/atomic_backend.py': None,  # writes; the mode is a variable
    'directpose/engine/read_checkpoint.py': 'checkpoint',
    'directpose/engine/safe_load.py': 'checkpoint',
    'directpose/pictures.py': 'picture',
    'directpose/deployment/half_precision.py': 'onnx',
    'directpose/deployment/quantize.py': 'onnx',
    'directpose/deployment/verify.py': 'onnx',
    'directpose/runtime/settings.py': 'onnx',
    'directpose/runtime/session.py': 'onnx',
    'directpose/runtime/video/ffmpeg.py': 'video',
    'directpose/visualization/comparison_hook.py': 'picture',
    'directpose/weights/__init__.py': 'checkpoint',
    'tools/analysis_tools/analyze_results.py': 'poses',
    'tools/analysis_tools/compare_poses.py': 'poses',
    'tools/analysis_tools/draw_kpalign.py': 'picture',
    'tools/analysis_tools/get_memory.py': None,  # the kernel's file on the process
    'tools/analysis_tools/plot_people_cost.py': None,  # a config of MMDetection's zoo
    'tools/check_env.py': None,  # the lock of the repository
    'tools/dataset_converters/make_coco_subset.py': 'annotations',
    'tools/dataset_converters/merge_categories.py': 'annotations',
    'tools/dataset_converters/rendered/backgrounds.py': 'picture',
    'tools/dataset_converters/synthetic/coco_files.py': 'settings',
    'tools/deployment/export_onnx.py': 'checkpoint',
}

READING = (
    'CheckpointLoader.load_checkpoint', 'Config.fromfile', 'Image.open', 'InferenceSession',
    'MMPoseInferencer', 'cv2.imread', 'fileio.get', 'get_config', 'init_model', 'json.load',
    'json.loads', 'load_checkpoint', 'mmcv.imfrombytes', 'mmcv.imread', 'np.fromfile', 'np.load',
    'av.open', 'onnx.load', 'read_bytes', 'read_text', 'torch.load',
)  # fmt: skip

# These run what a file says, or can be told to by it.
RUNNING = (
    'Config.fromstring', '_eval', 'eval', 'exec', 'joblib.load', 'mmengine.load', 'np.load',
    'pickle.load', 'pickle.loads', 'runpy.run_path', 'torch.jit.load', 'yaml.load',
)  # fmt: skip


class Evil:
    """Pickles as the making of a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.fixture(scope='module')
def things(tmp_path_factory, synthetic_coco):
    """What the command lines need beside the file with code."""
    folder = tmp_path_factory.mktemp('things')
    torch.manual_seed(0)
    model = Subject(read_config(TINY)).model
    torch.save(dict(state_dict=model.state_dict()), folder / 'model.pth')
    write_picture(str(folder / 'picture.jpg'), (120, 160))
    (folder / 'results.json').write_text('[]')
    return dict(
        config=TINY,
        checkpoint=folder / 'model.pth',
        picture=folder / 'picture.jpg',
        results=folder / 'results.json',
        onnx=tiny_file(folder / 'tiny.onnx'),
        data=synthetic_coco,
        annotations=synthetic_coco / COCO_NAMES.format('val'),
    )


@pytest.fixture(scope='module')
def trained(things, tmp_path_factory):
    """A training checkpoint, as MMEngine writes it."""
    out = tmp_path_factory.mktemp('trained')
    run(TRAIN.format(out=out, **things))
    return out / 'run/iter_1.pth'


def run(line: str) -> None:
    """Call the main function of a script with the arguments of a command line."""
    script, *argv = line.split()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'path', [str((ROOT / script).parent), *sys.path])
        if status := run_tool(script, *argv):
            raise SystemExit(status)


def evil_files(kind: str, folder: Path, mark: Path, trained: Path) -> list[Path]:
    """Files of a kind that make the mark if what they hold is run."""
    plain = pickle.dumps(Evil(mark))
    if kind == 'resumed':
        checkpoint = torch.load(trained)
        code = f'open({str(mark)!r}, "w")'
        checkpoint['meta'].update(config=code, cfg=code)
        checkpoint['message_hub']['runtime_info']['cfg'] = code
        (folder / 'run').mkdir()
        path = folder / 'run/iter_1.pth'
        checkpoint['meta']['iter'] = 0  # there is a step to make
        torch.save(checkpoint, path)
        return [path]
    if kind == 'checkpoint':
        torch.save(dict(state_dict={}, model={}, more=Evil(mark)), folder / 'archive.pth')
        (folder / 'plain.pth').write_bytes(plain)
        return [folder / 'archive.pth', folder / 'plain.pth']
    if kind == 'pretrained':  # a config that names such a checkpoint
        torch.save(dict(state_dict={}, more=Evil(mark)), folder / 'archive.pth')
        path = folder / 'archive.pth.py'
        init_cfg = dict(_delete_=True, type='Pretrained', checkpoint=str(folder / 'archive.pth'))
        path.write_text(f'_base_ = {TINY!r}\nmodel = dict(backbone=dict(init_cfg={init_cfg}))\n')
        return [path]
    if kind == 'config':
        path = folder / 'evil.yaml'
        path.write_text(f'model: !!python/object/apply:os.makedirs [{str(mark)!r}, 511, true]\n')
        return [path]
    if kind == 'settings':
        (folder / 'drawn').mkdir()
        path = folder / 'drawn/settings.json'
        path.write_bytes(plain)
        return [path]
    if kind == 'runs':
        path = folder / 'base-0/vis_data/scalars.json'
        path.parent.mkdir(parents=True)
        path.write_bytes(plain)
        return [path]
    endings = dict(picture='jpg', video='mp4', onnx='onnx')
    path = folder / f'evil.{endings.get(kind, "json")}'
    path.write_bytes(plain)
    return [path]


def marked_slow(kind: str, line: str):
    """A training starts slowly."""
    slow = kind in ('resumed', 'pretrained') or line.startswith(TRAIN)
    return pytest.param(
        kind, line, id=f'{kind}: {line[:45]}', marks=[pytest.mark.slow] if slow else []
    )


@pytest.mark.parametrize('kind, line', [marked_slow(*row) for row in ROWS])
def test_code_in_a_file_does_not_run(kind, line, things, request, tmp_path, capfd):
    if kind == 'video':
        pytest.importorskip('av')
    mark = tmp_path / 'mark'
    trained = request.getfixturevalue('trained') if kind == 'resumed' else None
    for evil in evil_files(kind, tmp_path, mark, trained):
        command = line.format(evil=evil, folder=evil.parent, out=tmp_path, **things)
        if kind == 'resumed':
            run(command)
        else:
            with pytest.raises((SystemExit, Exception)) as raised:
                run(command)
            # that very file was read and refused
            told = ' '.join((str(raised.value) + ''.join(capfd.readouterr())).split())
            wanted = dict(settings='not made by this program', pretrained=evil.stem, runs='base-0')
            assert wanted.get(kind, evil.name) in told
        assert not mark.exists()


@pytest.mark.slow
def test_the_files_hold_code_that_runs(tmp_path, trained):
    """Else the tests above would show nothing."""
    mark = tmp_path / 'mark'
    (folder := tmp_path / 'a').mkdir()
    archive, plain = evil_files('checkpoint', folder, mark, trained)
    for read in (
        lambda: torch.load(archive, weights_only=False),
        lambda: pickle.load(plain.open('rb')),
    ):
        read()
        mark.rmdir()
    (resumed,) = evil_files('resumed', folder, mark, trained)
    Config.fromstring(torch.load(resumed)['meta']['config'], '.py')
    mark.unlink()
    (config,) = evil_files('config', folder, mark, trained)
    Config.fromfile(config)
    mark.rmdir()


@pytest.mark.parametrize('read', [read_picture, read_size, lambda path: DirectPose(path)])
def test_the_library_runs_no_code_either(read, tmp_path):
    path, mark = tmp_path / 'evil.onnx', tmp_path / 'mark'
    path.write_bytes(pickle.dumps(Evil(mark)))
    with pytest.raises(ValueError):
        read(path)
    assert not mark.exists()


def test_the_metadata_of_a_model_file_is_data(tmp_path):
    onnx = pytest.importorskip('onnx')
    mark = tmp_path / 'mark'
    value = onnx.helper.make_tensor_value_info('x', onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node('Identity', ['x'], ['y'])
    end = onnx.helper.make_tensor_value_info('y', onnx.TensorProto.FLOAT, [1])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], 'g', [value], [end]),
        opset_imports=[onnx.helper.make_opsetid('', 18)],
        ir_version=10,
    )
    onnx.helper.set_model_props(model, dict(directpose=f"__import__('os').mkdir({str(mark)!r})"))
    onnx.save(model, tmp_path / 'evil.onnx')
    with pytest.raises(ValueError):
        DirectPose(tmp_path / 'evil.onnx')
    assert not mark.exists()


def sources():
    """Path from the root, and syntax tree, of all code that users run."""
    for folder in ('directpose', 'tools', 'demo'):
        for file in sorted((ROOT / folder).rglob('*.py')):
            yield str(file.relative_to(ROOT)), ast.parse(file.read_text())


def called(tree: ast.AST):
    """Dotted names of what a file calls, with the call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def is_named(name: str, wanted: tuple[str, ...]) -> bool:
    return any(name == one or name.endswith('.' + one) for one in wanted)


def runs(name: str) -> bool:
    """Whether a call runs what it reads; ``model.eval()`` does not."""
    return is_named(name, RUNNING) and not name.endswith('.eval')


def reads(name: str, call: ast.Call) -> bool:
    """Whether a call reads a file; ``open`` does unless its mode says that it writes."""
    if name == 'open':
        mode = call.args[1] if len(call.args) > 1 else ast.Constant('r')
        return not isinstance(mode, ast.Constant) or 'r' in mode.value
    return is_named(name, READING)


def test_every_command_line_has_a_row():
    scripts = {
        path for path, tree in sources()
        if "__name__ == '__main__'" in ast.unparse(tree)
    }  # fmt: skip
    listed = {line.split()[0] for _, line in ROWS}
    assert scripts <= listed | READ_NOTHING.keys()


def test_every_module_that_reads_files_has_a_row():
    readers = {path for path, tree in sources() if any(reads(*one) for one in called(tree))}
    assert readers <= READERS.keys() | READ_NOTHING.keys()
    kinds = {kind for kind, _ in ROWS} | {None}
    assert set(READERS.values()) <= kinds


def test_nothing_calls_what_runs_files():
    for path, tree in sources():
        for name, call in called(tree):
            if (path, name) != ('directpose/__main__.py', 'runpy.run_path'):  # our own scripts
                assert not runs(name), f'{path}: {name}'
            if is_named(name, ('torch.load',)):
                assert 'weights_only=True' in ast.unparse(call), path
