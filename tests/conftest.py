"""Fixtures that several test modules share, and the order of the tests."""

import functools
import gc
import multiprocessing.util
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything imports torch: tests are many and their tensors small, and the
# distributed ones start several processes.
os.environ.setdefault('OMP_NUM_THREADS', '1')

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """Hide GPUs from all tests but those of `pytest -m gpu`.

    The suite is for the CPU, where results are the same to the bit.
    """
    if config.getoption('markexpr') != 'gpu':
        os.environ.setdefault('CUDA_VISIBLE_DEVICES', '')


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        '--torture',
        type=int,
        metavar='N',
        help='run tests/torture, with N damaged inputs each; they are left out without',
    )


@pytest.fixture
def torture(pytestconfig: pytest.Config) -> int:
    """How many damaged inputs a test of tests/torture makes."""
    return pytestconfig.getoption('torture')


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the torture unless it is asked for; run the tests marked slow after all others."""
    if not config.getoption('torture'):
        items[:] = [item for item in items if item.get_closest_marker('torture') is None]
    items.sort(key=lambda item: item.get_closest_marker('slow') is not None)


def pytest_collection_finish() -> None:
    """Let later collections of garbage pass over all that the tests' imports have made.

    MMEngine collects garbage for each data set that it builds. With a million objects of torch and
    its like, that takes longer than many a test.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='session', autouse=True)
def leftovers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have pytest remove what killed processes and notebooks leave in the temporary folder."""
    multiprocessing.util.get_temp_dir()  # removed by its maker, after pytest's folders have gone
    folder = str(tmp_path_factory.mktemp('leftovers'))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('TMPDIR', folder)
        patch.setattr(tempfile, 'tempdir', folder)
        yield


@pytest.fixture(scope='session', autouse=True)
def quick_configs() -> Iterator[None]:
    """Spare the tests what MMEngine repeats for each config.

    The texts that Runners log, draw and save stay unformatted; they are the same Python. The
    indices of the zoos, a hundred files for each `get_config`, are read once.
    """
    from mmengine.fileio import load

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmengine.config.config.FormatCode', lambda text, **style: (text, True))
        patch.setattr('mmengine.config.utils.load', functools.cache(load))
        yield


@pytest.fixture(autouse=True)
def no_visualizer_of_another_test() -> Iterator[None]:
    """Forget the visualizers of the test when the test ends.

    MMEngine names them by the second. A Runner of the next test, made in the same second, would
    write into the folder of this one, which is removed.
    """
    from mmengine.visualization import Visualizer

    yield
    kinds = [Visualizer]
    for kind in kinds:
        kinds += kind.__subclasses__()
        kind._instance_dict.clear()


@pytest.fixture(scope='session')
def coco_mini() -> Path:
    """Folder of real COCO pictures with their keypoint annotations.

    Not part of the repository: it is the folder named by DIRECTPOSE_COCO_MINI,
    or ``data/coco-mini`` in the repository, which git ignores. It has ``images/`` and
    ``annotations/person_keypoints_{train,val}.json``.
    """
    named = os.environ.get('DIRECTPOSE_COCO_MINI')
    folder = Path(named) if named else ROOT / 'data/coco-mini'
    if (folder / 'annotations').is_dir():
        return folder
    if named:
        pytest.fail(f'DIRECTPOSE_COCO_MINI={named} has no folder "annotations"')
    pytest.skip(
        'needs real COCO pictures: put them into data/coco-mini, or name their folder in '
        'DIRECTPOSE_COCO_MINI'
    )


@pytest.fixture(scope='session')
def synthetic_coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic data set: 6 training and 4 validation pictures of 160 px."""
    from synthetic import write_dataset

    folder = tmp_path_factory.mktemp('synthetic')
    write_dataset(folder, num_train=6, num_val=4, size=160, seed=0)
    return folder
