"""Errors that end a training or a test, with a message for its user."""


class CheckpointError(ValueError):
    """A checkpoint cannot be read, or it does not fit. The message names the file and a remedy."""


class NonFiniteError(ValueError):
    """A loss or a weight became NaN or infinite."""


class DiskError(OSError):
    """A file could not be written. The message names the file and its size."""


class TrainingInterrupted(Exception):
    """A signal ended the training after a step, and the checkpoint of that step was saved.

    Args:
        signum (int): The number of the signal.
        iteration (int): How many steps were trained.
    """

    def __init__(self, signum: int, iteration: int) -> None:
        super().__init__(f'stopped by signal {signum} after iteration {iteration}')
        self.signum, self.iteration = signum, iteration
