"""Errors that end a training or a test, with a message for its user."""

from directpose.errors import UserError


class CheckpointError(UserError):
    """A checkpoint cannot be read, or it does not fit. The message names the file and a remedy."""


class NonFiniteError(UserError):
    """A loss or a weight became NaN or infinite."""


class DiskError(OSError, UserError):
    """A file could not be written. The message names the file and its size."""


class TrainingInterrupted(Exception):
    """A signal ended the training after a step.

    Args:
        signum (int): The number of the signal.
        iteration (int): How many steps were trained.
        saved (bool): Whether the checkpoint of that step was saved. It is, unless the runner has no
            hook for checkpoints.
    """

    def __init__(self, signum: int, iteration: int, saved: bool) -> None:
        outcome = (
            '--resume goes on from there'
            if saved
            else 'the config has no checkpoint hook, so this step is not saved'
        )
        super().__init__(f'stopped by signal {signum} after iteration {iteration}; {outcome}')
        self.signum, self.iteration, self.saved = signum, iteration, saved
