"""Training by iterations that can be interrupted and resumed."""

from collections.abc import Iterator, Sequence

import torch
from mmengine.dist import all_reduce
from mmengine.runner import BaseLoop, IterBasedTrainLoop
from mmpose.registry import LOOPS

from directpose.datasets.flips import turn_flips_off

from .buffers import share_buffers
from .checkpoint_hook import save_now
from .errors import NonFiniteError, TrainingInterrupted
from .sampler import ResumableInfiniteSampler
from .seeding import SeededDataset, seed_step
from .stop_signals import StopSignals


@LOOPS.register_module()
class ResumableIterTrainLoop(IterBasedTrainLoop):
    """Train for a number of optimiser steps, and resume exactly.

    It differs from MMEngine's loop in five ways:

    - **An iteration is an optimiser step.** Under gradient accumulation
      (``optim_wrapper.accumulative_counts``) it takes several batches, so ``max_iters``, the
      schedule and all intervals keep their meaning.
    - **A resumed run is the same as an uninterrupted one.** Data order, augmentation and all random
      numbers of a step follow from the seed and the iteration (see
      :mod:`directpose.engine.seeding`).
    - **A resumed run starts at once.** The data loader starts at the right sample. MMEngine's loop
      loads all earlier samples again.
    - **A signal ends the training in order.** The step ends, its checkpoint is saved, and
      :class:`~directpose.engine.errors.TrainingInterrupted` is raised. A signal during a
      validation counts after the next step.
    - **A loss that is NaN or infinite ends the training.** The weights are spoilt then and are not
      saved.

    Of several processes all stop at the same step. A validation that was interrupted is run again.

    Args:
        runner (Runner): The runner.
        dataloader (dict): The config of the data loader. Its sampler must be
            ``ResumableInfiniteSampler``.
        max_iters (int): The number of optimiser steps.
        val_begin (int): The first iteration that may be followed by a validation.
            Defaults to 1.
        val_interval (int): Iterations between validations. Defaults to 1000.
        stop_signals (Sequence[str]): Names of the signals that end the training in order.
            Schedulers can be told to send one before they end a job. Defaults to
            ``('SIGTERM', 'SIGINT')``; SIGINT is Ctrl-C.

    Raises:
        TypeError: If the data loader has another sampler.
        ValueError: If ``max_iters`` or ``val_interval`` is not a positive whole number, if there is
            no such signal, or if ``randomness.diff_rank_seed`` is set. The processes need one seed
            for one common order, from which each draws other samples.
    """

    def __init__(
        self,
        runner,
        dataloader: dict,
        max_iters: int,
        val_begin: int = 1,
        val_interval: int = 1000,
        stop_signals: Sequence[str] = ('SIGTERM', 'SIGINT'),
    ) -> None:
        for name, number in (('max_iters', max_iters), ('val_interval', val_interval)):
            if type(number) is not int or number < 1:
                raise ValueError(
                    f'{name} of train_cfg must be a whole number from 1, but is {number!r}'
                )
        dataloader = dict(
            dataloader, dataset=dict(type=SeededDataset, dataset=dataloader['dataset'])
        )
        # Not IterBasedTrainLoop's, which starts the workers before a checkpoint is loaded.
        BaseLoop.__init__(self, runner, dataloader)
        turn_flips_off(self.dataloader.dataset)
        if not isinstance(self.dataloader.sampler, ResumableInfiniteSampler):
            raise TypeError(
                f'{type(self).__name__} cannot resume a {type(self.dataloader.sampler).__name__}: '
                "set train_dataloader.sampler to dict(type='ResumableInfiniteSampler')"
            )
        if runner._randomness_cfg.get('diff_rank_seed'):
            raise ValueError(
                f'{type(self).__name__} needs one seed for all processes: '
                'take diff_rank_seed out of `randomness`'
            )
        self._max_iters = max_iters
        self._max_epochs = 1
        self._epoch = 0
        self._iter = 0
        self.val_begin = val_begin
        self.val_interval = val_interval
        self.stop_training = False  # set by EarlyStoppingHook
        self.stop_signals = StopSignals(stop_signals)
        self.runner.visualizer.dataset_meta = self.dataloader.dataset.metainfo

    def run(self) -> torch.nn.Module:
        """Train from the current iteration to the last.

        Returns:
            nn.Module: The trained model.

        Raises:
            TrainingInterrupted: If a signal has asked to stop. The checkpoint is saved, if the
                runner has a hook for checkpoints.
            NonFiniteError: If a loss or a weight is NaN or infinite.
        """
        val_loop = self.runner.val_loop
        loaders = [self.dataloader, *([val_loop.dataloader] if val_loop is not None else [])]
        for loader in loaders:
            loader.worker_init_fn = self.stop_signals.for_workers(loader.worker_init_fn)
        batches = self._batches_from(self._iter * self.runner.optim_wrapper._accumulative_counts)
        try:
            with self.stop_signals.noted():
                return self._run(batches)
        finally:
            # A worker does not end at the first signal, which is all that Python sends it when
            # the process ends: it would wait for the worker for ever.
            if self.dataloader.num_workers:
                batches._shutdown_workers()
            for loader in loaders:
                if loader._iterator is not None:  # of persistent workers
                    loader._iterator._shutdown_workers()
                    loader._iterator = None

    def _run(self, batches: Iterator[dict]) -> torch.nn.Module:
        self.runner.call_hook('before_train')
        # Hooks see the whole training as one epoch.
        self.runner.call_hook('before_train_epoch')
        accumulate = self.runner.optim_wrapper._accumulative_counts
        if accumulate > 1:
            # The wrapper counts batches; the runner has told it iterations.
            self.runner.optim_wrapper.initialize_count_status(
                self.runner.model, self._iter * accumulate, self._max_iters * accumulate
            )
        if self._iter > 0:
            self._validate_if_due()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter([next_batch(batches) for _ in range(accumulate)])
            self._validate_if_due()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_iter(self, batches: list[dict]) -> None:
        """Make one optimiser step.

        Args:
            batches (list[dict]): The batches whose gradients are averaged. Hooks get the last one.

        Raises:
            TrainingInterrupted: If a signal has asked to stop.
            NonFiniteError: If the loss is NaN or infinite.
        """
        seed_step(self.runner.seed, self._iter, self.runner.rank)
        self.runner.call_hook('before_train_iter', batch_idx=self._iter, data_batch=batches[-1])
        logs = [
            self.runner.model.train_step(batch, optim_wrapper=self.runner.optim_wrapper)
            for batch in batches
        ]
        bad = [bool(~torch.as_tensor(log['loss']).isfinite()) for log in logs]
        # One message for both questions: processes that disagree would wait for each other.
        signum, spoilt = all_reduce_max(self.stop_signals.received, any(bad))
        if spoilt:
            raise NonFiniteError(self._describe_losses(logs, batches, bad))
        outputs = {name: sum(log[name] for log in logs) / len(logs) for name in logs[0]}
        self.runner.call_hook(
            'after_train_iter', batch_idx=self._iter, data_batch=batches[-1], outputs=outputs
        )
        saved = bool(signum) and save_now(self.runner)
        self._iter += 1
        if signum:
            raise TrainingInterrupted(signum, self._iter, saved)

    def _describe_losses(self, logs: list[dict], batches: list[dict], bad: list[bool]) -> str:
        """Say in which step a loss was NaN or infinite, and on which pictures."""
        where = f'the loss of iteration {self._iter + 1} is not finite'
        if not any(bad):
            return f'{where} in another process, which names the pictures'
        first = bad.index(True)
        losses = ', '.join(
            f'{name} {torch.as_tensor(value).item():.4g}' for name, value in logs[first].items()
        )
        pictures = ', '.join(
            str(sample.get('img_path'))
            for batch, is_bad in zip(batches, bad)
            if is_bad
            for sample in batch.get('data_samples', ())
        )
        return (
            f'{where} ({losses}) on the pictures {pictures or "of this batch"}; nothing of this '
            'iteration is saved; check the annotations of the pictures with '
            'tools/check_dataset.py, or lower the learning rate, and go on with --resume'
        )

    def _batches_from(self, number: int) -> Iterator[dict]:
        """Start the data loader at a batch, counted on each process from 0."""
        sampler, dataset = self.dataloader.sampler, self.dataloader.dataset
        # A resumed run has taken over the seed of its checkpoint.
        sampler.seed = dataset.seed = self.runner.seed
        sampler.start = number * self.dataloader.batch_size * self.runner.world_size
        return iter(self.dataloader)

    def _validate_if_due(self) -> None:
        """Validate once after every ``val_interval`` iterations, and once at the end."""
        hub = self.runner.message_hub
        if (
            self.runner.val_loop is None
            or self._iter < self.val_begin
            or (self._iter % self.val_interval and self._iter != self._max_iters)
            or hub.get_info('last_validated_iter') == self._iter
        ):
            return
        # Before the validation, because a new best score saves the checkpoint again.
        hub.update_info('last_validated_iter', self._iter)
        share_buffers(self.runner)
        self.runner.val_loop.run()


def all_reduce_max(*numbers: int) -> list[int]:
    """Return the largest value of each number over all processes."""
    values = torch.tensor(numbers)
    all_reduce(values, op='max')
    return values.tolist()


def next_batch(batches: Iterator[dict]) -> dict:
    """Take the next batch of a data loader.

    Args:
        batches (Iterator[dict]): The batches that the loader's workers send.

    Returns:
        dict: The batch.

    Raises:
        RuntimeError: If a worker died. PyTorch itself says so, unless the worker was killed while
            it sent a batch.
    """
    try:
        return next(batches)
    except (ConnectionError, EOFError) as error:
        raise RuntimeError(
            'a DataLoader worker exited while it sent a batch; the machine may lack memory: give '
            'fewer workers, --cfg-options train_dataloader.num_workers=1'
        ) from error
