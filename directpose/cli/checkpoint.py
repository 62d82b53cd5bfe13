"""Checkpoints that a command line is given: read, or refused with an error for people."""

import pickle
from urllib.error import URLError

from mmengine.runner import CheckpointLoader
from torch import nn

from .errors import UserError


def load_checkpoint_file(path: str) -> dict:
    """Read a checkpoint of an OpenMMLab model, with errors for humans.

    Args:
        path (str): A file, or an address that MMEngine can fetch, with a ``state_dict``.

    Returns:
        dict: The content, on the CPU.

    Raises:
        UserError: If there is no such file, or it is damaged, or holds objects that are not
            loaded for safety, or is not an OpenMMLab checkpoint.
    """
    try:
        checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu')
    except FileNotFoundError as error:
        raise UserError(
            f'{path}: no such checkpoint; give the path of a .pth file, such as '
            'work_dirs/<config>/iter_<n>.pth'
        ) from error
    except pickle.UnpicklingError as error:
        raise UserError(
            f'{path}: not loaded, because it is damaged or holds more than tensors '
            'and plain values, which could run code; take a file saved by '
            'tools/train.py or by tools/model_converters/'
        ) from error
    except URLError as error:
        raise UserError(
            f'{path}: cannot be fetched ({error.reason}); see to the connection, or '
            'give the path of a file'
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise UserError(
            f'{path}: damaged, it cannot be read; take another checkpoint, or train '
            'on from the last good one with --resume'
        ) from error
    if not isinstance(checkpoint, dict) or 'state_dict' not in checkpoint:
        raise UserError(
            f'{path}: has no state_dict, so it is no OpenMMLab checkpoint; a '
            'released DirectPose file becomes one by '
            'tools/model_converters/directpose_to_mmpose.py'
        )
    return checkpoint


def check_weights(model: nn.Module, checkpoint: dict, path: str) -> None:
    """See that a checkpoint is of this model: MMEngine only warns of weights that do not fit.

    Args:
        model (nn.Module): The model as the config builds it.
        checkpoint (dict): What :func:`load_checkpoint_file` gives.
        path (str): Its file, for the message.

    Raises:
        UserError: If the model would keep some of its random weights.
    """
    theirs = checkpoint['state_dict']
    ours = model.state_dict()
    missing = sorted(set(ours) - set(theirs))
    if missing:
        raise UserError(
            f"{path}: lacks {len(missing)} weights of the config's model, such as "
            f'{missing[0]}; give the config that it was trained with'
        )
    others = [name for name in ours if ours[name].shape != theirs[name].shape]
    if others:
        name = others[0]
        raise UserError(
            f"{path}: {len(others)} weights have another shape than in the config's "
            f'model, such as {name}: {tuple(theirs[name].shape)}, not '
            f'{tuple(ours[name].shape)}; give the config that it was trained with'
        )
