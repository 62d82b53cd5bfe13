"""Read ahead and write behind, in threads beside the one that predicts."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Full, Queue
from threading import Event, Thread

AHEAD = 4
"""The number of frames that are read ahead, and of frames that may wait to be written."""


class InBackground:
    """Run functions one after the other in a thread; a few may wait, and errors come back."""

    def __enter__(self) -> 'InBackground':
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[Future] = deque()
        return self

    def run(self, function, *args) -> None:
        self._waiting.append(self._pool.submit(function, *args))
        if len(self._waiting) > AHEAD:
            self._waiting.popleft().result()

    def __exit__(self, *error) -> None:
        self._pool.shutdown()
        if error[0] is None:
            for future in self._waiting:
                future.result()


def ahead(items: Iterable) -> Generator:
    """Go through an iterable in a thread, a few items ahead."""
    queue: Queue[tuple] = Queue(AHEAD)
    stop, end = Event(), object()

    def put(item) -> bool:
        while not stop.is_set():
            try:
                queue.put(item, timeout=0.1)
                return True
            except Full:
                pass
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((end, None))
        except BaseException as error:
            put((end, error))

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = queue.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        stop.set()
        thread.join()
