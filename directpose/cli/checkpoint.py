"""Checkpoints that a command line is given: read, or refused with an error for people."""

from mmengine.runner import CheckpointLoader

from directpose.engine.checkpoint_fit import check_weights
from directpose.engine.errors import CheckpointError
from directpose.engine.read_checkpoint import read_all_checkpoints_safely, state_dict_of

from .errors import UserError

__all__ = ['check_weights', 'load_checkpoint_file', 'state_dict_of']


def load_checkpoint_file(path: str) -> dict:
    """Read a checkpoint of an OpenMMLab model, with errors for people.

    From then on everything that MMEngine loads in this process is read in the same way: see
    :func:`~directpose.engine.read_checkpoint.read_all_checkpoints_safely`.

    Args:
        path (str): A file, or an address that MMEngine can fetch, with a ``state_dict``.

    Returns:
        dict: The content, on the CPU.

    Raises:
        UserError: If there is no such file, or if it is damaged, holds objects that could run
            code, is no OpenMMLab checkpoint, or has weights that are NaN or infinite.
    """
    read_all_checkpoints_safely()
    try:
        return CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    except CheckpointError as error:
        raise UserError(str(error)) from error
