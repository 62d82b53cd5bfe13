"""Checkpoints of command lines: read, or refused with an error for people, and written."""

import os.path as osp
from io import BytesIO

import torch
from mmengine.runner import CheckpointLoader
from torch import Tensor

from directpose.engine.atomic_backend import AtomicLocalBackend
from directpose.engine.errors import CheckpointError
from directpose.engine.read_checkpoint import read_all_checkpoints_safely
from directpose.errors import UserError


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


def save_weights(weights: dict[str, Tensor], path: str) -> None:
    """Write a checkpoint that holds weights and nothing else, whole or not at all.

    Args:
        weights (dict[str, Tensor]): The weights by their names.
        path (str): The file. Its folder is made if there is none.

    Raises:
        UserError: If the path is a folder.
        DiskError: If the file cannot be written.
    """
    if osp.isdir(path):
        raise UserError(f'{path} is a folder; give the name of a file in it')
    with BytesIO() as buffer:
        torch.save(dict(state_dict=weights), buffer)
        AtomicLocalBackend().put(buffer.getvalue(), path)
