"""Threads that share one model, and processes that share one exported file."""

import multiprocessing
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from directpose.runtime import DirectPose
from tests.tiny_model import tiny_file

WORKERS = 4
TURNS = 3


@pytest.fixture
def model():
    return DirectPose('directpose-tiny', score_thr=0.01, threads=2)


@pytest.fixture
def pictures(synthetic_coco):
    """Pictures of three sizes, some of which share a batch."""
    files = sorted((synthetic_coco / 'val2017').iterdir())
    images = [np.asarray(Image.open(file))[..., ::-1] for file in files]
    return [*images, images[0][:96], images[1][:, :128], images[2][:96]]


def predict(model: DirectPose, pictures: list[np.ndarray], worker: int) -> list[list]:
    """Predict all pictures some times, in orders that differ between the workers."""
    found = []
    for turn in range(TURNS):
        order = np.random.default_rng((worker, turn)).permutation(len(pictures))
        poses = model.predict([pictures[index] for index in order], batch_size=2)
        found.append([poses[place] for place in order.argsort()])
    return found


def assert_equal_to_the_bit(found: list[list], expected: list) -> None:
    assert len(found) == TURNS
    for poses in found:
        for got, wanted in zip(poses, expected, strict=True):
            assert got.size == wanted.size
            for value, other in zip(got, wanted, strict=True):
                np.testing.assert_array_equal(value, other)


def in_threads(work) -> list:
    """What a function of a worker's number returns in threads that start together."""
    together = threading.Barrier(WORKERS)

    def start(worker):
        together.wait(300)
        return work(worker)

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(start, range(WORKERS)))


def test_threads_that_share_a_model_find_what_one_finds(model, pictures):
    expected = [model(picture) for picture in pictures]
    assert all(len(poses.scores) for poses in expected)
    for found in in_threads(lambda worker: predict(model, pictures, worker)):
        assert_equal_to_the_bit(found, expected)


def test_thousands_of_calls_in_threads_do_not_meet(tmp_path):
    """A small model, and threads that take turns all the time: most calls are cut in two."""
    model = DirectPose(tiny_file(tmp_path / 'tiny.onnx'), threads=1)
    levels = range(10, 250)

    def scores_of(worker):
        order = np.random.default_rng(worker).choice(levels, 1000)
        return [(level, model(np.full((32, 64, 3), level, np.uint8)).scores) for level in order]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        found = in_threads(scores_of)
    finally:
        sys.setswitchinterval(interval)
    for level, score in (one for scores in found for one in scores):
        np.testing.assert_allclose(score, [level])


def join(barrier) -> None:
    """Give a process of the pool what it waits for the others with."""
    global together
    together = barrier


def work_in_a_process(model: DirectPose, pictures: list[np.ndarray], worker: int):
    together.wait(300)
    return os.getpid(), predict(model, pictures, worker)


def test_processes_that_share_a_file_find_what_one_finds(model, pictures):
    expected = [model(picture) for picture in pictures]
    # A server that has imported everything forks the processes.
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([__name__])
    with context.Pool(WORKERS, join, (context.Barrier(WORKERS),)) as pool:
        tasks = [(model, pictures, worker) for worker in range(WORKERS)]
        results = pool.starmap(work_in_a_process, tasks, chunksize=1)
    assert len({process for process, _ in results}) == WORKERS
    for _, found in results:
        assert_equal_to_the_bit(found, expected)
