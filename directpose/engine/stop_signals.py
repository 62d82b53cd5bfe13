"""Signals that ask a training to stop."""

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

ECHO_SECONDS = 5
"""A signal within this time after the first one counts as the same signal.

A scheduler signals all processes of a job. The launcher is one of them, and passes the signal on to
its own processes.
"""


class StopSignals:
    """Note a signal, so that the step which is being trained can end first.

    A signal more than :data:`ECHO_SECONDS` after the first one acts at once, as without this class.

    Args:
        names (Sequence[str]): Names of signals, such as 'SIGTERM'.

    Attributes:
        received (int): The number of the first signal; 0 before there is one.

    Raises:
        ValueError: If there is no such signal.
    """

    def __init__(self, names: Sequence[str]) -> None:
        unknown = [name for name in names if not hasattr(signal.Signals, name)]
        if unknown:
            raise ValueError(
                f'stop_signals has {unknown}, which are not signals of this system; give '
                "names such as 'SIGTERM'"
            )
        self._signums = [signal.Signals[name] for name in names]
        self.received, self._since = 0, 0.0

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the signals for the time of a block. This works only in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {signum: signal.getsignal(signum) for signum in self._signums}
        self._start()
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _start(self) -> None:
        for signum in self._signums:
            signal.signal(signum, self._note)

    def _note(self, signum: int, frame) -> None:
        now = time.monotonic()
        if not self.received:
            self.received, self._since = signum, now
        elif now - self._since > ECHO_SECONDS:
            at_once = signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL
            signal.signal(signum, at_once)
            signal.raise_signal(signum)

    def init_worker(self, init, worker_id: int) -> None:
        """Let a worker of the data loader outlive the first signal, as its training does.

        A terminal and most schedulers signal all processes of a job. torch has given the worker
        its own handler of SIGTERM by now, which would end it before the step has ended.

        Args:
            init (Callable, optional): What the data loader calls in a worker anyway.
            worker_id (int): The number of the worker.
        """
        if init is not None:
            init(worker_id)
        self._start()

    def for_workers(self, init) -> partial:
        """Return ``init_worker`` as the ``worker_init_fn`` of a data loader."""
        return partial(self.init_worker, init)
