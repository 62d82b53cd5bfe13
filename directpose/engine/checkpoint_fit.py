"""Check that a checkpoint fits a model. MMEngine only warns if weights do not fit."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from torch import nn

from .errors import CheckpointError
from .read_checkpoint import state_dict_of, without_code

_TRAINING_ONLY = ('head.heatmap_head.',)
"""Weights that inference does not use."""

_COUNTER = '.num_batches_tracked'
"""The end of the name of a counter in batch norm. Nothing here reads the counter, and files of old
versions of torch lack it."""


def check_weights(
    model: nn.Module, checkpoint: dict, path: str, for_training: bool = False
) -> None:
    """Check that a checkpoint has all weights of a model.

    Args:
        model (nn.Module): The model as the config builds it.
        checkpoint (dict): See :func:`~directpose.engine.read_checkpoint.read_checkpoint`.
        path (str): Its file, for the message.
        for_training (bool): Also ask for the weights that only training uses, those of the
            heatmap branch. Defaults to False.

    Raises:
        CheckpointError: If the model would keep some of its random weights.
    """
    theirs = state_dict_of(checkpoint)
    ours = _names_of(model)
    optional = () if for_training else _TRAINING_ONLY
    missing = sorted(
        name
        for name in ours.keys() - theirs.keys()
        if not name.startswith(optional) and not name.endswith(_COUNTER)
    )
    if missing:
        raise CheckpointError(
            f"{path}: lacks {len(missing)} weights of the config's model, such as {missing[0]}; "
            'give the config that it was trained with'
        )
    misfit = _describe_misfit(ours, theirs)
    if misfit:
        raise CheckpointError(f'{path}: {misfit}; give the config that it was trained with')


def _names_of(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shapes of a model's weights, by their names without a wrapper's ``module.``."""
    weights = model.state_dict().items()
    return {name.removeprefix('module.'): tuple(weight.shape) for name, weight in weights}


def _describe_misfit(ours: dict, theirs: dict) -> str | None:
    """Say which weights have other shapes than the model's; None if all fit."""
    others = [n for n in ours if n in theirs and ours[n] != tuple(theirs[n].shape)]
    if not others:
        return None
    name = others[0]
    return (
        f"{len(others)} weights have another shape than in the config's model, such as {name}: "
        f'{tuple(theirs[name].shape)}, not {ours[name]}'
    )


@HOOKS.register_module()
class CheckLoadedHook(Hook):
    """Refuse a checkpoint that does not fit the model of the training.

    The hook sees each checkpoint before MMEngine uses it, whoever built the Runner. It removes the
    text that MMEngine would execute.

    - **Resuming** (``resume=True``) needs all weights and the state of a training.
    - **Starting** (``load_from``) takes weights of the model, or of parts of it, such as a
      backbone. Weights of another shape, as for another number of keypoints, are refused.

    Args:
        allow_partial (bool): Start from the weights that fit, and leave those of another shape
            as they were initialised. Defaults to False.
    """

    def __init__(self, allow_partial: bool = False) -> None:
        self.allow_partial = allow_partial

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check the checkpoint.

        Raises:
            CheckpointError: If the checkpoint does not fit.
        """
        without_code(checkpoint)
        path = runner._load_from or 'the checkpoint'
        if runner._resume:
            check_resumable(checkpoint, path)
            check_weights(runner.model, checkpoint, path, for_training=True)
            return
        ours, theirs = _names_of(runner.model), state_dict_of(checkpoint)
        if not ours.keys() & theirs.keys():
            raise CheckpointError(
                f"{path}: has no weight of the config's model, only others such as "
                f'{next(iter(theirs), "")}; give a checkpoint of this model, or of a part of it'
            )
        misfit = _describe_misfit(ours, theirs)
        if misfit and not self.allow_partial:
            raise CheckpointError(
                f'{path}: {misfit}; give weights of this model, or start from those that fit '
                'with --cfg-options default_hooks.load_check.allow_partial=True'
            )


def check_resumable(checkpoint: dict, path: str) -> None:
    """Check that a checkpoint has the state of a training, not only weights.

    Raises:
        CheckpointError: If it does not.
    """
    meta = checkpoint.get('meta')
    whole = isinstance(meta, dict) and all(
        isinstance(meta.get(key), int) for key in ('iter', 'epoch')
    )
    if not whole or not isinstance(checkpoint.get('message_hub'), dict):
        raise CheckpointError(
            f'{path}: holds weights without the state of a training, so no training can be '
            f'resumed from it; start one from the weights with --cfg-options load_from={path}'
        )
