"""The one way in which checkpoints are read: whole, finite, and without running code."""

import hashlib
import os.path as osp
import pickle
import re
from http.client import HTTPException
from urllib.parse import urlparse

import torch
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.utils import mkdir_or_exist
from torch import Tensor

from directpose.weights import DIGESTS

from .errors import CheckpointError
from .safe_load import is_intact

_HASH = re.compile(
    r'-(?!(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\.)([0-9a-f]{8,64})\.[^.]+$'
)
"""How a file's name carries the beginning of its SHA-256, as torch and OpenMMLab write it. A date
such as 20240115 is no hash."""

_KINDS = dict(
    state_dict='not an OpenMMLab checkpoint; a released DirectPose file becomes one by '
    'tools/model_converters/directpose_to_mmpose.py',
    model='not a DirectPose checkpoint of the original code, which calls its weights "model"',
)
"""The conclusion of a message, for a file without a state dict of that name."""


def read_checkpoint(
    path: str, map_location='cpu', address: str | None = None, key: str = 'state_dict'
) -> dict:
    """Read a checkpoint from a file, or say in one line why not.

    Code in the file is never run. ``meta['config']``, which MMEngine executes when it resumes
    a training, is left out.

    Args:
        path (str): A file that ``torch.save`` wrote.
        map_location: As in :func:`torch.load`. Defaults to the CPU.
        address (str, optional): Where the file came from, for messages. Defaults to ``path``.
        key (str): What the state dict is called in the file: 'state_dict' as in OpenMMLab, or
            'model' as in the original code. Defaults to 'state_dict'.

    Returns:
        dict: The content, with a state dict of tensors under ``key``; for 'state_dict' the
        content may also be a state dict itself.

    Raises:
        CheckpointError: If there is no such file; if it is damaged; if it holds objects that
            could run code; if it has no state dict; or if a weight is NaN or infinite.
    """
    told = address or path
    path = osp.expanduser(path)
    if not osp.isfile(path):
        hint = 'give the path of a .pth file, such as work_dirs/<config>/iter_<n>.pth'
        if f'{path}.pth' in DIGESTS:
            hint = f'the weights of this name in the package are directpose://{path}'
        raise CheckpointError(f'{told}: no such checkpoint; {hint}')
    if address is None:
        damaged = (
            f'{told}: damaged, it cannot be read; take another checkpoint, or train on from the '
            'last good one with --resume'
        )
    else:
        damaged = (
            f'{told}: the copy {path} is damaged, perhaps because the connection broke off; delete '
            'the copy, and start again to fetch the file anew'
        )
    try:
        with open(path, 'rb') as file:
            is_archive = file.read(4) == b'PK\x03\x04'
    except OSError as error:
        raise CheckpointError(f'{told}: cannot be opened ({error.strerror})') from error
    # If the file is not an archive at all, torch knows better what it is.
    if is_archive and not is_intact(path):
        raise CheckpointError(damaged)
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f'{told}: not loaded, because it is damaged or holds more than tensors and plain '
            'values, which could run code; take a file saved by tools/train.py or by '
            'tools/model_converters/'
        ) from error
    except Exception as error:  # a damaged pickle leads to any of them
        raise CheckpointError(damaged) from error
    _check_content(checkpoint, told, key)
    return without_code(checkpoint)


def without_code(checkpoint: dict) -> dict:
    """Take ``meta['config']`` out of a checkpoint, in place.

    It is a string, so torch loads it, but ``mmengine.Runner.resume`` executes it as Python.
    """
    if isinstance(checkpoint.get('meta'), dict):
        checkpoint['meta'].pop('config', None)
    return checkpoint


def state_dict_of(checkpoint: dict) -> dict[str, Tensor]:
    """Return the weights of a checkpoint by the names of the model, as MMEngine finds them.

    Args:
        checkpoint (dict): With a ``state_dict``, or a state dict itself. A prefix ``module.``,
            which a model inside ``DistributedDataParallel`` gives its weights, is left out.
    """
    weights = checkpoint.get('state_dict', checkpoint)
    return {name.removeprefix('module.'): weight for name, weight in weights.items()}


def _check_content(checkpoint: object, told: str, key: str) -> None:
    """Check that a checkpoint has a state dict of finite tensors."""
    weights = checkpoint.get(key) if isinstance(checkpoint, dict) else None
    if key == 'state_dict' and isinstance(checkpoint, dict) and key not in checkpoint:
        if all(isinstance(weight, Tensor) for weight in checkpoint.values()):
            weights = checkpoint
    if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights):
        raise CheckpointError(f'{told}: has no {key}, so it is {_KINDS[key]}')
    for name, weight in weights.items():
        if not isinstance(weight, Tensor):
            raise CheckpointError(
                f'{told}: its {key} has a {type(weight).__name__} under "{name}", not a '
                "tensor; save a model's weights as dict(state_dict=model.state_dict())"
            )
    bad = find_non_finite(weights)
    if bad is not None:
        raise CheckpointError(
            f'{told}: the weight {bad} is not finite (NaN or infinite), so the model would find '
            'nobody; take an earlier checkpoint'
        )


def find_non_finite(weights: dict[str, Tensor]) -> str | None:
    """Return the name of the first tensor with a NaN or an infinite value, or None."""
    for name, weight in weights.items():
        if (weight.is_floating_point() or weight.is_complex()) and not weight.isfinite().all():
            return name
    return None


def download(url: str, folder: str | None = None, progress: bool = True) -> str:
    """Fetch a checkpoint unless it was fetched before.

    Args:
        url (str): The address. Where the file's name carries a hash (``NAME-a4e868d2.pth``), the
            content is checked against it. A file without a hash is kept in a folder of its own
            for each address, because two files may have one name, such as ``iter_5000.pth``.
        folder (str, optional): Where to keep the file. Defaults to torch's own place.
        progress (bool): Show the progress. Defaults to True.

    Returns:
        str: The file.

    Raises:
        CheckpointError: If there is no connection, or if the content has another hash.
    """
    folder = folder or osp.join(torch.hub.get_dir(), 'checkpoints')
    name = osp.basename(urlparse(url).path)
    carried = _HASH.search(name)
    if carried is None:
        folder = osp.join(folder, hashlib.sha256(url.encode()).hexdigest()[:16])
    mkdir_or_exist(folder)
    path = osp.join(folder, name)
    if not osp.isfile(path):
        try:
            torch.hub.download_url_to_file(url, path, progress=progress)
        except (OSError, HTTPException, ValueError) as error:
            raise CheckpointError(
                f'{url}: cannot be fetched ({getattr(error, "reason", error)}); check the '
                'connection, or name a file in its place (of a backbone: '
                'model.backbone.init_cfg.checkpoint=FILE)'
            ) from error
    if carried:
        with open(path, 'rb') as file:
            digest = hashlib.file_digest(file, 'sha256').hexdigest()
        if not digest.startswith(carried[1]):
            raise CheckpointError(
                f'{url}: the file {path} does not have the hash that its name carries ({digest} '
                'does not begin with it), so it is not the file that was published; delete it '
                'and fetch it again'
            )
    return path


def load_from_local(filename: str, map_location=None) -> dict:
    """Read a file for MMEngine, which shows this function's name."""
    return read_checkpoint(filename, map_location)


def _load_url(url: str, model_dir=None, map_location=None, progress=True, **kwargs) -> dict:
    """Read an address for MMEngine, in place of torch's function."""
    return read_checkpoint(download(url, model_dir, progress), map_location, address=url)


def read_all_checkpoints_safely() -> None:
    """Make MMEngine read every checkpoint in this process with :func:`read_checkpoint`.

    This includes ``load_from``, ``--resume``, ``init_cfg=dict(type='Pretrained')`` and the model
    zoos of OpenMMLab. The function changes MMEngine for the whole process. Therefore the command
    lines call it, and the import of the package does not.
    """
    CheckpointLoader.register_scheme('', loader=load_from_local, force=True)
    mmengine_checkpoint.load_url = _load_url
