"""Which checkpoint an interrupted run goes on from."""

import os.path as osp
from glob import escape, glob

from mmengine.config import Config

from directpose.engine.safe_load import is_intact
from directpose.errors import UserError


def _iteration(path: str) -> int | None:
    """The iteration, or epoch, that a checkpoint's name says; None if it says none."""
    number = osp.splitext(osp.basename(path))[0].rpartition('_')[2]
    return int(number) if number.isdecimal() else None


def _saved_in(folder: str) -> list[tuple[int, str]]:
    """The checkpoints in a folder with the iteration or epoch of each."""
    return [
        (number, path)
        for kind in ('iter', 'epoch')
        for path in glob(osp.join(escape(folder), f'{kind}_*.pth'))
        if (number := _iteration(path)) is not None
    ]


def checkpoint_folder(cfg: Config) -> str:
    """The folder that a training writes its checkpoints to.

    Args:
        cfg (Config): The config of the training.

    Returns:
        str: The work directory, or a folder in the ``out_dir`` of the checkpoint hook.
    """
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if out_dir := hook.get('out_dir'):  # MMEngine makes a folder of the same name there
        return osp.join(out_dir, osp.basename(osp.normpath(cfg.work_dir)))
    return cfg.work_dir


def check_nothing_is_overwritten(cfg: Config) -> None:
    """Refuse to write into a folder with the checkpoints of an earlier training.

    Args:
        cfg (Config): The config of the training.

    Raises:
        UserError: If there are checkpoints where this training would write its own.
    """
    saved = _saved_in(checkpoint_folder(cfg))
    if saved:
        raise UserError(
            f'{max(saved)[1]}: this checkpoint of an earlier training would be overwritten; add '
            '--resume to go on with that training, or name another folder with --work-dir'
        )


def find_resumable_checkpoint(
    work_dir: str, folder: str | None = None
) -> tuple[str | None, list[str]]:
    """Find the last good checkpoint of a run.

    This is the checkpoint that ``last_checkpoint`` names. If this file or the checkpoint is missing
    or damaged (a full disk, an interrupted copy), it is the intact checkpoint of the latest
    iteration in the folders. The times of the files do not count, because copying changes them.

    ``last_checkpoint`` holds a path. In a copied folder this path leads to the original run.
    Therefore a file of the same name in ``work_dir`` comes first. Without such a file the path
    counts, as with a checkpoint hook whose ``out_dir`` is elsewhere.

    Args:
        work_dir (str): The run's folder.
        folder (str, optional): The folder of the checkpoints, see :func:`checkpoint_folder`.
            Defaults to the run's folder.

    Returns:
        tuple:
        - path (str | None): The checkpoint, or None if there is no good one.
        - damaged (list[str]): The later checkpoints that were skipped because they are damaged.
    """
    folders = [work_dir, folder or work_dir]
    candidates = []
    pointer = osp.join(work_dir, 'last_checkpoint')
    if osp.isfile(pointer):
        with open(pointer, errors='replace') as f:
            last = f.read().strip()
        copied = osp.join(work_dir, osp.basename(last))
        if osp.isfile(copied):
            candidates.append(copied)
        elif osp.isfile(last):
            candidates.append(last)
            folders.append(osp.dirname(last))
    saved = [one for place in folders for one in _saved_in(place)]
    saved.sort(key=lambda one: one[0], reverse=True)
    candidates += [path for _, path in saved]
    damaged: list[str] = []
    for path in dict.fromkeys(candidates):
        if is_intact(path):
            return path, damaged
        damaged.append(path)
    return None, damaged
