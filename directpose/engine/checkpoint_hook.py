"""Checkpoints that survive a kill at any moment."""

import os.path as osp
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmpose.registry import HOOKS
from torch import Tensor

from .buffers import share_buffers
from .errors import NonFiniteError
from .read_checkpoint import find_non_finite


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """Save checkpoints so that there is a good one at every moment.

    MMEngine's hook deletes the old file before it writes the new one, so a run that is killed in
    between has lost both. This hook writes a new file under another name and renames it. Then it
    does the same with ``last_checkpoint``, and only then deletes the old file. It never saves a
    checkpoint in which a weight or a state of the optimiser is NaN or infinite.

    Args:
        backend_args (dict): The storage. Defaults to ``dict(backend='atomic_local')``.
        **kwargs: The other arguments of :class:`mmengine.hooks.CheckpointHook`.
    """

    def __init__(self, *args, backend_args: dict | None = None, **kwargs) -> None:
        if backend_args is None:
            backend_args = dict(backend='atomic_local')
        super().__init__(*args, backend_args=backend_args, **kwargs)

    def before_train(self, runner) -> None:
        """Forget the best checkpoint of another folder, which is not this run's to delete.

        A checkpoint says where the best checkpoint of its run was. If a run resumes from another
        folder, or if its own folder has moved, that place is not in its work directory.
        """
        super().before_train(runner)
        if self.save_best is None:
            return
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = self._in_own_folder(self.best_ckpt_path)
        else:
            for key, path in self.best_ckpt_path_dict.items():
                self.best_ckpt_path_dict[key] = self._in_own_folder(path)

    def _in_own_folder(self, path: str | None) -> str | None:
        if path is None:
            return None
        own = self.file_backend.join_path(self.out_dir, osp.basename(path))
        return own if self.file_backend.isfile(own) else None

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Refuse to save a checkpoint from which no training can go on.

        Raises:
            NonFiniteError: If a number is NaN or infinite.
        """
        for part in ('state_dict', 'ema_state_dict', 'optimizer'):
            name = find_non_finite(dict(_named_tensors(checkpoint.get(part, {}), part)))
            if name is not None:
                raise NonFiniteError(
                    f'{name} is not finite (NaN or infinite) after iteration {runner.iter + 1}, so '
                    'no checkpoint is saved; lower the learning rate, and go on from the last one '
                    'with --resume'
                )

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        outdated = None
        if self.max_keep_ckpts > 0:
            kept = self.keep_ckpt_ids
            if step not in kept:
                if len(kept) == self.max_keep_ckpts:
                    outdated = kept.popleft()
                kept.append(step)
            runner.message_hub.update_info('keep_ckpt_ids', list(kept))
        filename = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, filename)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        share_buffers(runner)
        runner.save_checkpoint(
            self.out_dir,
            filename,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            self.file_backend.put_text(self.last_ckpt, osp.join(runner.work_dir, 'last_checkpoint'))
            if outdated is not None:
                path = self.file_backend.join_path(
                    self.out_dir, self.filename_tmpl.format(outdated)
                )
                if self.file_backend.isfile(path):
                    self.file_backend.remove(path)

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        with self._removals_last():
            super()._save_best_checkpoint(runner, metrics)

    @contextmanager
    def _removals_last(self):
        """Put off the removal of files until the block has written the new ones."""
        backend, outdated = self.file_backend, []
        backend.remove = outdated.append
        try:
            yield
        finally:
            del backend.remove
        for path in outdated:
            backend.remove(path)


def save_now(runner) -> bool:
    """Save a checkpoint of the step that has just ended, unless it is saved already.

    Args:
        runner (Runner): The runner. All its hooks for checkpoints save one, MMEngine's own too.

    Returns:
        bool: Whether it has such a hook.
    """
    hooks = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
    step = runner.iter + 1
    for hook in hooks:
        name = hook.filename_tmpl.format(step)
        if hook.last_ckpt is None or osp.basename(hook.last_ckpt) != name:
            # Not _save_checkpoint, which counts epochs unless the hook has by_epoch=False.
            hook._save_checkpoint_with_step(runner, step, dict(epoch=runner.epoch, iter=step))
    return bool(hooks)


def _named_tensors(node: object, name: str) -> Iterator[tuple[str, Tensor]]:
    """Walk over the tensors in nested dictionaries and lists, with dotted names."""
    if isinstance(node, Tensor):
        yield name, node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _named_tensors(value, f'{name}.{key}')
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _named_tensors(value, f'{name}.{index}')
