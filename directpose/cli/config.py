"""What the command lines change in a config before a Runner is built from it."""

import os.path as osp
import traceback
from collections.abc import Iterator

from mmengine.config import Config, ConfigDict
from mmengine.config import config as mmengine_config
from mmengine.device import get_device
from mmengine.hub import get_config

from directpose.errors import UserError
from directpose.packaged import find_packaged

from .config_data import ONE_BY_ONE, is_multi_dataset_evaluator
from .spelling import check_options, check_spelling

OURS = 'directpose::'
"""How the name of a config that comes with the package begins."""


def load_config(path: str, cfg_options: dict | None = None, work_dir: str | None = None) -> Config:
    """Read a config, override settings in it and decide on the work directory.

    A config is a Python program, and reading it runs it. Look at a config before you use it.

    Args:
        path (str): A config file. ``directpose::directpose/NAME.py`` is one that comes with the
            package, wherever the package is installed.
        cfg_options (dict, optional): Settings by dotted names, which replace those of the file.
        work_dir (str, optional): Where to write. Defaults to the config's ``work_dir``, or
            ``work_dirs/<name of the config>``.

    Returns:
        Config: The config.

    Raises:
        UserError: If there is no such file, if it is not Python, if the config or one of its bases
            raises an error, or if it has a misspelt name.
    """
    if path.startswith(OURS):
        path = str(find_packaged(f'configs/{path.removeprefix(OURS)}') or path)
    if not osp.isfile(path):
        raise UserError(
            f'{path}: no such config file; those of this project are in configs/directpose/, and '
            f'{OURS}directpose/NAME.py is one of the installed package'
        )
    if not path.endswith('.py'):  # MMEngine's reader of YAML runs any code in the file
        raise UserError(f'{path}: a config is a Python file; end its name with .py')
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # a config is a program, which may raise anything
        raise UserError(_describe_reading_error(error, path)) from error
    if cfg_options:
        check_options(cfg, cfg_options)
        cfg.merge_from_dict(cfg_options)
    check_spelling(cfg, path)
    for split in ('train', 'val', 'test'):
        loader = cfg.get(f'{split}_dataloader')
        if loader and loader.get('num_workers') == 0:
            loader.persistent_workers = False  # torch refuses it: there are no workers
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = osp.join('work_dirs', osp.splitext(osp.basename(path))[0])
    return cfg


def read_config(name: str, cfg_options: dict | None = None) -> Config:
    """Read a config file, or a config of an installed package.

    Args:
        name (str): A file, or a name such as 'mmdet::fcos/NAME.py'.
        cfg_options (dict, optional): Settings by dotted names, which replace those of the config.

    Returns:
        Config: The config with everything that it inherits.

    Raises:
        UserError: If there is no such config, or if it has no place for a setting.
    """
    if '::' not in name or name.startswith(OURS):
        return load_config(name, cfg_options)
    try:
        cfg = get_config(name)
    except (FileNotFoundError, ImportError, KeyError, ValueError) as error:
        raise UserError(f'{name}: no installed package has this config ({error})') from error
    check_options(cfg, cfg_options or {})
    cfg.merge_from_dict(cfg_options or {})
    return cfg


def _describe_reading_error(error: Exception, path: str) -> str:
    """Say in which file, the config or a base of it, and in which line reading has failed."""
    file, line = path, getattr(error, 'lineno', None)
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == mmengine_config.__file__:  # what MMEngine reads at the time
            file = frame.f_locals.get('filename', file)
        elif frame.f_code.co_filename == osp.abspath(file):
            line = number
    where = f'line {line}' if line else 'the file'
    if osp.abspath(file) != osp.abspath(path):
        where += f' of its base {file}'
    # MMEngine's error of an import does not have the reason.
    cause: BaseException = error
    while isinstance(cause, ImportError) and cause.__context__ is not None:
        cause = cause.__context__
    reason = str(cause).strip().partition('\n')[0]
    return (
        f'{path}: this config cannot be read, because {where} raises {type(cause).__name__}: '
        f'{reason} (DIRECTPOSE_TRACEBACK=1 shows where this comes from)'
    )


def set_total_batch_size(cfg: Config, total: int, world_size: int) -> None:
    """Make the batch over all processes ``total``, whatever their number.

    The config's ``train_dataloader.batch_size`` is the largest batch of one process. If the share
    of a process is larger, it is split into equal batches whose gradients are averaged. Losses
    are normalised per batch, so batches of one process count like batches of several.

    Args:
        cfg (Config): The config, changed in place.
        total (int): Images in one optimiser step.
        world_size (int): The number of processes.

    Raises:
        UserError: If ``total`` is not a positive multiple of ``world_size``.
    """
    share, rest = divmod(total, world_size)
    if share < 1 or rest:
        raise UserError(
            f'--total-batch-size {total} does not divide by {world_size} processes; '
            f'give a multiple of {world_size}'
        )
    most = cfg.train_dataloader.batch_size
    accumulate = next(n for n in range(1, share + 1) if share % n == 0 and share // n <= most)
    cfg.train_dataloader.batch_size = share // accumulate
    cfg.optim_wrapper.accumulative_counts = accumulate


def enable_auto_scale_lr(cfg: Config) -> None:
    """Scale the learning rate by the batch size over all processes.

    Args:
        cfg (Config): The config, changed in place, with ``auto_scale_lr.base_batch_size``.

    Raises:
        UserError: If the config does not say which batch size its learning rate is for.
    """
    if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
        raise UserError(
            f'{cfg.filename}: --auto-scale-lr needs '
            'auto_scale_lr = dict(base_batch_size=...) in the config'
        )
    cfg.auto_scale_lr.enable = True
    # MMEngine compares with batch_size * processes, without the accumulated batches.
    cfg.auto_scale_lr.base_batch_size /= cfg.optim_wrapper.get('accumulative_counts', 1)


def enable_amp(cfg: Config, precision: str) -> None:
    """Train with automatic mixed precision.

    Args:
        cfg (Config): The config, changed in place.
        precision (str): 'fp16', with a dynamic loss scale, or 'bf16', which needs none.

    Raises:
        UserError: For 'fp16' without a GPU.
    """
    if precision == 'bf16':
        cfg.optim_wrapper.type = 'Bf16OptimWrapper'
        return
    if get_device() == 'cpu':
        raise UserError('--amp fp16 needs a GPU; on the CPU take --amp bf16, or leave --amp out')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.dtype = 'float16'
    cfg.optim_wrapper.loss_scale = 'dynamic'


def enable_tta(cfg: Config) -> None:
    """Test with test-time augmentation, as the config's ``tta_model`` and ``tta_views`` say.

    Args:
        cfg (Config): The config, changed in place.

    Raises:
        UserError: If the config has no such section, or if its test has no pipeline.
    """
    for key in ('tta_model', 'tta_views'):
        if key not in cfg:
            raise UserError(
                f'{cfg.filename}: --tta needs `{key}` in the config; '
                'configs/_base_/default_runtime.py has it'
            )
    with_pipeline = list(_with_pipeline(cfg.test_dataloader.dataset))
    if not with_pipeline:
        raise UserError(f'{cfg.filename}: --tta needs a pipeline in test_dataloader.dataset')
    cfg.model = ConfigDict(cfg.tta_model, module=cfg.model)
    for dataset in with_pipeline:
        dataset.pipeline = [dict(cfg.tta_views, transforms=dataset.pipeline)]


def _with_pipeline(dataset: ConfigDict) -> Iterator[ConfigDict]:
    """The data sets whose pipelines give samples their last form.

    These are the outermost ones: ``CombinedDataset`` runs its pipeline after those of the data
    sets in it.
    """
    if dataset.get('pipeline'):
        yield dataset
        return
    for inner in [dataset.get('dataset'), *dataset.get('datasets', ())]:
        if inner is not None:
            yield from _with_pipeline(inner)


def enable_drawing(cfg: Config, out_dir: str) -> None:
    """Draw the predictions of validation or test, as the config's visualization hook does.

    Args:
        cfg (Config): The config, changed in place.
        out_dir (str): Where the pictures go.

    Raises:
        UserError: If the config has no such hook, or if the place is a file.
    """
    if osp.isfile(out_dir):
        raise UserError(f'--show-dir {out_dir}: this is a file; give a folder')
    if 'visualization' not in cfg.get('default_hooks', {}):
        raise UserError(
            f'{cfg.filename}: --show-dir needs a hook named `visualization` in '
            'default_hooks of the config'
        )
    cfg.default_hooks.visualization.update(enable=True, interval=1, out_dir=osp.abspath(out_dir))


def dump_predictions(cfg: Config, path: str) -> None:
    """Save the predictions of the test beside scoring them.

    Args:
        cfg (Config): The config, changed in place.
        path (str): A JSON file; see :class:`~directpose.engine.PoseDump` for its content.

    Raises:
        UserError: If the name does not end in .json, or if the evaluator is a
            ``MultiDatasetEvaluator``, which gives no metric the predictions of all data sets.
    """
    if not path.endswith('.json'):
        raise UserError(f'--dump {path}: the predictions are JSON; end the name with .json')
    evaluator = cfg.test_evaluator
    if is_multi_dataset_evaluator(evaluator):
        raise UserError(
            f'--dump {path}: MultiDatasetEvaluator gives each metric the predictions of one data '
            f'set; {ONE_BY_ONE}'
        )
    holds_metrics = isinstance(evaluator, dict) and 'metrics' in evaluator
    metrics = evaluator['metrics'] if holds_metrics else evaluator
    if not isinstance(metrics, (list, tuple)):
        metrics = [metrics]
    metrics = [*metrics, dict(type='PoseDump', out_file=path)]
    cfg.test_evaluator = dict(evaluator, metrics=metrics) if holds_metrics else metrics
