"""Misspelt names in a config: MMEngine passes over some of them in silence."""

import inspect
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner
from mmpose import registry
from torch.utils.data import DataLoader

from directpose.errors import UserError, did_you_mean

_REGISTRIES = [value for value in vars(registry).values() if isinstance(value, registry.Registry)]
# Names at the top of a config that are not arguments of the runner. It reads most of them.
_TOP_NAMES = {
    'auto_scale_lr', 'codec', 'custom_imports', 'data_mode', 'data_root', 'dataset_type',
    'detect_anomalous_params', 'env_cfg', 'find_unused_parameters', 'log_level',
    'model_wrapper_cfg', 'sync_bn', 'test_pipeline', 'train_pipeline', 'tta_model', 'tta_pipeline',
    'tta_views', 'val_pipeline',
}  # fmt: skip
# Keys that builders take out of a config before they call its type.
_ALWAYS = {'type', '_scope_', '_delete_', 'init_cfg'}
_BUT_ALSO = {
    'optim_wrapper': {'constructor', 'paramwise_cfg'},
    'param_scheduler': {'convert_to_iter_based'},
    'custom_hooks': {'priority'},
    'default_hooks': {'priority'},
}
# What DirectPoseHead reads of `model.test_cfg`, a dict without a type.
_TEST_CFG = {'cls_thr', 'max_per_img', 'nms', 'nms_pre', 'score_thr'}
# What MMPose reads of it, for heads that predict heatmaps.
_OF_HEATMAPS = {'flip_test', 'multiscale_test'}
_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_LOADER = {'batch_sampler', 'collate_fn', 'dataset', 'num_batch_per_epoch', 'sampler'}


def check_options(cfg: Config, options: dict[str, Any]) -> None:
    """Check that settings of the command line change something that the config has or may have.

    Args:
        cfg (Config): The config as it stands in its file.
        options (dict[str, Any]): Values by dotted names, as ``train_cfg.max_iters``.

    Raises:
        UserError: If all of a name but its last part is not in the config, and if nothing in the
            config takes it. If a name has no index of an element where the config has a list. If
            a number or a text would replace a dict.
    """
    for option, value in options.items():
        node: Any = cfg
        path: list[str] = []
        scope = None
        *parents, last = names = option.split('.')
        for name in parents or names:
            if isinstance(node, (list, tuple)):
                node = _element(node, name, '.'.join(path), option)
            elif not isinstance(node, dict) and node is not cfg:
                break  # a value that is replaced
            else:
                scope = node.get('_scope_', scope)
                # A type that another option sets counts.
                kind = options.get('.'.join([*path, 'type']), node.get('type'))
                known, is_open = _known_names(cfg, node, path, kind, scope)
                if name not in known and not is_open:
                    _refuse('.'.join([*path, name]), name, known, f'--cfg-options {option}')
                node = node.get(name)
                if node is None:
                    break
            path.append(name)
        if parents and isinstance(node, (list, tuple)):
            node = _element(node, last, '.'.join(path), option)
        elif parents and isinstance(node, dict):
            node = node.get(last)
        if isinstance(node, dict) and isinstance(value, (int, float, str)):
            raise UserError(
                f'--cfg-options {option}={value}: the config has a dict there; set a part of it, '
                f'as {option}.NAME={value}'
            )


def _element(items: list | tuple, index: str, place: str, option: str) -> object:
    """The element of a list of the config that an option names."""
    if index.isdecimal() and int(index) < len(items):
        return items[int(index)]
    raise UserError(
        f'--cfg-options {option}: {place} is a list of {len(items)} elements; name one by its '
        'number from 0'
    )


def _known_names(
    cfg: Config, node: dict, path: list[str], kind: object, scope: str | None
) -> tuple[set[str], bool]:
    """The names that a dict of the config has or may have, and whether it may have others too."""
    known = set(node)
    if node is cfg:
        return known | _runner_names(), False
    if '.'.join(path) in _LOADERS:
        return known | _loader_names(), False
    if path == ['model', 'test_cfg']:
        return known | _TEST_CFG, False
    if kind is None:
        return known, False
    taken, is_open = _arguments(_in_scope(kind, scope))
    return known | taken | _BUT_ALSO.get(path[0], set()), is_open


def check_spelling(cfg: Config, path: str) -> None:
    """Check that something reads each name in a config.

    Arguments are compared with those of the class that the ``type`` beside them names. Names at
    the top of a config may be anything, for people keep intermediate values there: one is
    refused only if it looks like a setting of the runner and is none.

    Args:
        cfg (Config): The config, with all that the command line changes.
        path (str): Its file, for messages.

    Raises:
        UserError: If a name is unknown, with the nearest one that is known, or if ``test_cfg`` asks
            for an average of heatmaps.
    """
    lacking = set(inspect.signature(Runner).parameters) - set(cfg)
    for name in sorted(set(cfg) - _runner_names()):
        if did_you_mean(name, lacking, 0.8):
            _refuse(name, name, lacking, path)
    for name in _LOADERS:
        if isinstance(cfg.get(name), dict):
            _compare(name, set(cfg[name]), _loader_names(), path)
    kind = (cfg.get('optim_wrapper') or {}).get('optimizer', {}).get('type')
    if isinstance(kind, str) and registry.OPTIMIZERS.get(kind) is None:
        # MMEngine's own error does not name it.
        known = set(registry.OPTIMIZERS.parent.module_dict)
        place = 'optim_wrapper.optimizer.type'
        raise UserError(f'{path}: {place}: there is no {kind}; {_hint(kind, known)}')
    model = cfg.get('model') or {}
    if str((model.get('head') or {}).get('type')).startswith('DirectPose'):
        test_cfg = model.get('test_cfg') or {}
        for name in sorted(_OF_HEATMAPS & set(test_cfg)):
            if test_cfg[name]:
                raise UserError(
                    f'{path}: model.test_cfg.{name} averages heatmaps, which DirectPose does not '
                    'have; take the setting out, and test with tools/test.py --tta'
                )
        _compare('model.test_cfg', set(test_cfg) - _OF_HEATMAPS, _TEST_CFG, path)
    for name, node in cfg.items():
        if name.endswith('_cfg') and name not in _runner_names():
            continue  # an intermediate value, of a layer most likely
        for place, typed, kind in _typed_dicts(name, node):
            known, is_open = _arguments(kind)
            unknown = set(typed) - known - _ALWAYS - _BUT_ALSO.get(name, set())
            if known and not is_open:
                _compare(place, unknown, known, path)
            for key in unknown:  # the class takes others too, and may do nothing with them
                if did_you_mean(key, known, 0.8):
                    _refuse(f'{place}.{key}', key, known, path)


def _runner_names() -> set[str]:
    return set(inspect.signature(Runner).parameters) | _TOP_NAMES


def _loader_names() -> set[str]:
    return set(inspect.signature(DataLoader).parameters) | _LOADER


def _compare(place: str, names: set[str], known: set[str], path: str) -> None:
    for name in sorted(names - known):
        _refuse(f'{place}.{name}', name, known, path)


def _refuse(place: str, name: str, known: set[str], path: str) -> None:
    raise UserError(f'{path}: nothing reads the setting {place}; {_hint(name, known)}')


def _hint(name: str, known: set[str]) -> str:
    return did_you_mean(name, known, 0.5) or f'the known ones are {", ".join(sorted(known))}'


def _typed_dicts(
    place: str, node: object, scope: str | None = None
) -> Iterator[tuple[str, dict, object]]:
    """The dicts with a type below a setting, each with the type's name in its scope.

    Those that PyTorch layers are made of are left out. A scope holds for all that is below it.
    """
    if isinstance(node, dict):
        scope = node.get('_scope_', scope)
        if 'type' in node:
            yield place, node, _in_scope(node['type'], scope)
        for key, value in node.items():
            if not str(key).endswith('_cfg') and key not in ('dcn', 'metainfo', 'plugins'):
                yield from _typed_dicts(f'{place}.{key}', value, scope)
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _typed_dicts(f'{place}.{index}', value, scope)


def _in_scope(kind: object, scope: str | None) -> object:
    """A type's name with its scope, which its registry then finds."""
    if scope is not None and isinstance(kind, str) and '.' not in kind:
        return f'{scope}.{kind}'
    return kind


def _arguments(kind: object) -> tuple[set[str], bool]:
    """The arguments of a type, and whether it takes others too; none where it is not found."""
    if isinstance(kind, str):
        classes = [found for one in _REGISTRIES if (found := _look_up(one, kind)) is not None]
    else:
        classes = [kind]
    known, is_open = set(), False
    for one in dict.fromkeys(classes):
        if not inspect.isclass(one):
            return set(), True
        names, rest_is_open = _arguments_of_class(one)
        known |= names
        is_open |= rest_is_open
    return known, is_open


def _look_up(one: registry.Registry, kind: str) -> object | None:
    try:
        return one.get(kind)
    except Exception:  # the name of a package that is not installed
        return None


def _arguments_of_class(cls: type) -> tuple[set[str], bool]:
    known = set()
    for base in cls.__mro__:
        if '__init__' not in vars(base):
            continue
        parameters = inspect.signature(vars(base)['__init__']).parameters.values()
        known |= {
            one.name for one in parameters if one.kind is not one.VAR_KEYWORD and one.name != 'self'
        }
        if not any(one.kind == one.VAR_KEYWORD for one in parameters):
            return known, False
    return known, True
