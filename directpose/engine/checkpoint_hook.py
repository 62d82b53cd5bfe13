"""Checkpoints that survive a kill at any moment."""

import os.path as osp
from contextlib import contextmanager

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmpose.registry import HOOKS


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """Save checkpoints so that there is a good one at every moment.

    MMEngine's hook writes in place and deletes the old file before it writes the new one, so a
    run killed in between has lost both. Here a file is written beside and renamed, then
    ``last_checkpoint`` is, and only then the old file goes.

    Args:
        backend_args (dict): The storage. Defaults to ``dict(backend='atomic_local')``.
        kwargs: See :class:`mmengine.hooks.CheckpointHook`.
    """

    def __init__(self, *args, backend_args: dict | None = None, **kwargs) -> None:
        if backend_args is None:
            backend_args = dict(backend='atomic_local')
        super().__init__(*args, backend_args=backend_args, **kwargs)

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
