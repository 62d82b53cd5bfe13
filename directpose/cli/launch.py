"""Processes that work together: started also on CPUs, resumed from one file, and ended."""

import gc
import logging
import os
import os.path as osp

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import all_gather_object
from mmengine.logging import print_log

from directpose.errors import UserError

_WORLD_SIZE_VARIABLES = dict(pytorch='WORLD_SIZE', slurm='SLURM_NTASKS', mpi='OMPI_COMM_WORLD_SIZE')
_RANK_VARIABLES = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')


def get_launched_world_size(launcher: str) -> int:
    """Get the number of processes before they have joined.

    Args:
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'.

    Returns:
        int: What the launcher has written into the environment; 1 without a launcher.

    Raises:
        UserError: If the process was not started by this launcher.
    """
    if launcher == 'none':
        return 1
    variable = _WORLD_SIZE_VARIABLES[launcher]
    if variable not in os.environ:
        raise UserError(
            f'--launcher {launcher} needs {variable} in the environment; start with '
            'tools/dist_*.sh or tools/slurm_*.sh'
        )
    return int(os.environ[variable])


def get_launched_rank(launcher: str) -> int:
    """Get the number of this process before the processes have joined; 0 without a launcher."""
    return 0 if launcher == 'none' else int(os.environ.get(_RANK_VARIABLES[launcher], 0))


def set_launcher(cfg: Config, launcher: str) -> None:
    """Let the Runner work with the processes that a launcher has started.

    On the CPU this function joins the processes over gloo, because MMEngine's launcher selects a
    GPU without looking. It also turns SyncBN off, which torch has for GPUs only.

    Args:
        cfg (Config): The config, changed in place.
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'.

    Raises:
        UserError: If the process was not started by this launcher, or if another one than
            'pytorch' is used on the CPU.
    """
    get_launched_world_size(launcher)  # refuses a process that no launcher has started
    cfg.launcher = launcher
    if launcher == 'none' or get_device() != 'cpu':
        return
    if launcher != 'pytorch':
        raise UserError(
            f'--launcher {launcher} needs GPUs; on CPUs use tools/dist_train.sh or '
            'tools/dist_test.sh'
        )
    torch.distributed.init_process_group('gloo')
    cfg.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    if cfg.model.get('use_syncbn') or cfg.get('sync_bn'):
        cfg.model.use_syncbn = False
        cfg.sync_bn = None
        print_log(
            'There is no SyncBN on the CPU: every process normalises over its own batch (BN).',
            logger='current',
            level=logging.WARNING,
        )


def check_same_checkpoint(path: str | None) -> None:
    """Check that all processes go on from the same checkpoint, after they have joined.

    Args:
        path (str, optional): What this process goes on from; None if it starts anew.

    Raises:
        UserError: If they do not, because machines without a shared disk lack the file.
    """
    chosen = all_gather_object(path and osp.basename(path))
    if len(set(chosen)) > 1:
        told = ', '.join(f'{name or "none"} in process {rank}' for rank, name in enumerate(chosen))
        raise UserError(
            f'--resume finds different checkpoints: {told}; copy the newest one to '
            'the same place on every machine, and name it: --resume PATH'
        )


def leave_process_group() -> None:
    """End the processes' group and its threads, where there is one.

    A thread of gloo that frees a tensor while Python shuts down aborts its process. The group
    lives as long as anything refers to it. Therefore the garbage of the Runner is collected first.
    """
    if torch.distributed.is_initialized():
        gc.collect()
        torch.distributed.destroy_process_group()
