"""Which checkpoint an interrupted run goes on from."""

import os.path as osp
from glob import escape, glob

from directpose.engine.safe_load import is_intact


def find_resumable_checkpoint(work_dir: str) -> tuple[str | None, list[str]]:
    """Find the last good checkpoint of a run.

    That is the one named in ``last_checkpoint``. Where this file or the checkpoint is missing or
    damaged (a full disk, an interrupted copy), it is the newest intact one beside it.

    ``last_checkpoint`` holds a path, which in a copied folder leads to the run that was copied.
    A file of the same name in ``work_dir`` therefore goes first; the path counts where there is
    none, as with a checkpoint hook whose ``out_dir`` is elsewhere.

    Args:
        work_dir (str): The run's folder.

    Returns:
        tuple:
        - path (str | None): The checkpoint, or None if there is no good one.
        - damaged (list[str]): The newer ones that were passed over.
    """
    folders = [work_dir]
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
    saved = [
        path
        for folder in folders
        for kind in ('iter', 'epoch')
        for path in glob(osp.join(escape(folder), f'{kind}_*.pth'))
    ]
    candidates += sorted(saved, key=osp.getmtime, reverse=True)
    damaged = []
    for path in dict.fromkeys(candidates):
        if is_intact(path):
            return path, damaged
        damaged.append(path)
    return None, damaged
