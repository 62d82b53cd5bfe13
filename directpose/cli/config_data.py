"""The data that a config names: moved to other folders, and checked before a Runner is built."""

import os
import os.path as osp
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

from mmengine.config import Config, ConfigDict
from mmpose.registry import DATASETS

from directpose.errors import UserError
from directpose.metainfo import read_metainfo

ONE_BY_ONE = 'evaluate each data set in a run of its own: tools/test.py --cfg-options ...'
"""The remedy for what MMPose's ``MultiDatasetEvaluator`` cannot do."""


def _datasets(node) -> Iterator[ConfigDict]:
    """Walk over the datasets in a data loader's config, also those that others wrap."""
    if isinstance(node, dict):
        if 'data_root' in node or 'ann_file' in node:
            yield node
        for value in node.values():
            yield from _datasets(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _datasets(value)


def set_data_root(
    cfg: Config, data_root: str | list[str], splits: tuple[str, ...] = ('train', 'val', 'test')
) -> None:
    """Move datasets, and the annotation files of their metrics, to other folders.

    Args:
        cfg (Config): The config, changed in place.
        data_root (str | list[str]): The folder that has what the config expects under its
            ``data_root``; or, where the datasets have several, an 'OLD=NEW' for each that moves.
        splits (tuple[str, ...]): Which of train, val and test to move; a test does not need the
            data of the training.

    Raises:
        UserError: If the config has no ``data_root``; if one folder is given for several; or if
            'OLD' is not one of them.
    """
    datasets = {split: list(_datasets(cfg.get(f'{split}_dataloader'))) for split in splits}
    roots = {
        osp.normpath(dataset.data_root)
        for members in datasets.values()
        for dataset in members
        if dataset.get('data_root')
    }
    if not roots:
        raise UserError(f'--data-root {data_root}: no data set of the config has a data_root')
    moves = _read_moves([data_root] if isinstance(data_root, str) else data_root, roots)
    for split, members in datasets.items():
        for dataset in members:
            if dataset.get('data_root'):
                old = osp.normpath(dataset.data_root)
                dataset.data_root = moves.get(old, dataset.data_root)
        # A metric with an annotation file is found as a data set is, in whatever holds it.
        for metric in _datasets(cfg.get(f'{split}_evaluator')):
            ann_file = metric.get('ann_file')
            for old, new in moves.items():
                if ann_file and osp.abspath(ann_file).startswith(osp.abspath(old) + osp.sep):
                    metric.ann_file = osp.join(new, osp.relpath(ann_file, old))
                    break


def _read_moves(given: list[str], roots: set[str]) -> dict[str, str]:
    """Read what --data-root says: from which of the config's folders to which."""
    moves = {}
    for one in given:
        old, equals, new = one.partition('=')
        if equals and osp.normpath(old) in roots:
            moves[osp.normpath(old)] = new
        elif len(given) == 1 and len(roots) <= 1:
            moves = dict.fromkeys(roots, one)
        else:
            options = ' '.join(f'--data-root {root}=FOLDER' for root in sorted(roots))
            raise UserError(
                f'--data-root {one}: the config has its data in {len(roots)} folders; give an '
                f'option for each: {options}'
            )
    return moves


def read_test_pipeline(cfg: Config) -> list[dict]:
    """Read how a config's test prepares a picture, also where a data set wraps others.

    A wrapper without a pipeline of its own gets that of its data sets, because MMPose's functions
    for single pictures look there.

    Args:
        cfg (Config): The config, which may be changed in place.

    Returns:
        list[dict]: The steps.

    Raises:
        UserError: If the config has no test data, or if its test data sets have several pipelines.
    """
    dataset = (cfg.get('test_dataloader') or {}).get('dataset')
    if not dataset:
        raise UserError(
            f'{cfg.filename}: the config has no test_dataloader, whose data set says how a picture '
            'is prepared; take that of a config in configs/directpose/'
        )
    if not dataset.get('pipeline'):
        pipelines = [one.pipeline for one in _datasets(dataset) if one.get('pipeline')]
        if not pipelines or any(one != pipelines[0] for one in pipelines):
            raise UserError(
                f'{cfg.filename}: the data sets of test_dataloader have {len(pipelines)} '
                'pipelines, so it is not known how a picture is prepared; give the outer one a '
                'pipeline'
            )
        dataset.pipeline = pipelines[0]
    return dataset.pipeline


def check_data(cfg: Config, splits: tuple[str, ...]) -> None:
    """Check that the annotation files and image folders of a config are there, and fit the model.

    Args:
        cfg (Config): The config.
        splits (tuple[str, ...]): Which of train, val and test to check.

    Raises:
        UserError: If a file or folder is missing, if the config has no data at all, if MMPose's
            ``MultiDatasetEvaluator`` could not tell the data sets apart, or if a data set has other
            keypoints than the model.
    """
    for name in ('model', f'{splits[0]}_dataloader'):
        if cfg.get(name) is None:
            raise UserError(
                f'{cfg.filename}: the config has no {name}; name a config of '
                'configs/directpose/, or one with such a config as its _base_'
            )
    for split in splits:
        _check_evaluator(cfg, split)
        for dataset in _datasets(cfg.get(f'{split}_dataloader')):
            _check_files(cfg, split, dataset)
    check_keypoints(cfg, splits)


def _check_files(cfg: Config, split: str, dataset: ConfigDict) -> None:
    """Check that the annotation file and the folders of one data set are there."""
    root = dataset.get('data_root') or ''
    wanted: list[tuple[str, str, Any, Callable[[str], bool]]]
    wanted = [('annotation file', 'ann_file', dataset.get('ann_file'), osp.isfile)]
    wanted += [
        ('image folder', f'data_prefix.{key}', prefix, osp.isdir)
        for key, prefix in (dataset.get('data_prefix') or {}).items()
    ]
    for what, key, name, exists in wanted:
        path = name and osp.join(root, name).rstrip('/')
        if not path or '://' in path or exists(path):
            continue
        remedy = 'give the folder of the data with --data-root'
        if osp.isdir(osp.dirname(path)):
            setting = 'the config'
            if dataset is cfg[f'{split}_dataloader'].dataset:  # not in a wrapper
                setting = f'--cfg-options {split}_dataloader.dataset.{key}=NAME'
            remedy += f', or another name with {setting}{_similar_to(path, root)}'
        raise UserError(
            f'{path}: no such {what}, which {split}_dataloader of the config names; {remedy}'
        )


def _similar_to(path: str, root: str) -> str:
    """The names beside a path that is not there, of files with its ending or of folders."""
    folder, ending = osp.dirname(path), osp.splitext(path)[1]
    names = sorted(
        osp.relpath(osp.join(folder, name), root or '.')
        for name in os.listdir(folder)
        if (name.endswith(ending) if ending else osp.isdir(osp.join(folder, name)))
    )
    return f', such as {", ".join(names[:3])}' if names else ''


def check_keypoints(cfg: Config, splits: tuple[str, ...]) -> None:
    """Check that the model and its data sets name the same keypoints in the same order.

    Args:
        cfg (Config): The config.
        splits (tuple[str, ...]): Which of train, val and test to check.

    Raises:
        UserError: If a data set has other keypoints than ``model.head``.
    """
    metainfo = (cfg.model.get('head') or {}).get('metainfo')
    if not isinstance(metainfo, dict):  # of other heads, which may have none
        return
    head = read_metainfo(metainfo)
    for split in splits:
        outer = (cfg.get(f'{split}_dataloader') or {}).get('dataset') or {}
        datasets = list(_datasets(outer))
        if outer.get('metainfo') and outer not in datasets:
            datasets.append(outer)
        for dataset in datasets:
            # A converter gives the keypoints of a data set those of the model.
            pipelines = (dataset.get('pipeline'), outer.get('pipeline') if dataset != outer else ())
            if 'KeypointConverter' not in repr(pipelines):
                _compare_keypoints(cfg, split, _metainfo_of(dataset), head)


def _compare_keypoints(cfg: Config, split: str, data: dict, head: dict) -> None:
    """Refuse a data set whose keypoints are not those of the head."""
    names = [list(one['keypoint_id2name'].values()) for one in (data, head)]
    if names[0] == names[1]:
        return
    pairs = enumerate(zip_longest(*names))
    number, (ours, theirs) = next((k, pair) for k, pair in pairs if pair[0] != pair[1])
    raise UserError(
        f'{cfg.filename}: {split}_dataloader has the {len(names[0])} keypoints of '
        f'"{data["dataset_name"]}", but model.head the {len(names[1])} of '
        f'"{head["dataset_name"]}" (number {number} is {ours} and {theirs}); give '
        'model.head.metainfo and the metainfo of each data set the same value'
    )


def _check_evaluator(cfg: Config, split: str) -> None:
    """Refuse a ``MultiDatasetEvaluator`` that would score one data set by another's metric.

    It tells samples apart by the name in the metainfo of their data set's class.
    """
    evaluator = cfg.get(f'{split}_evaluator')
    if not is_multi_dataset_evaluator(evaluator):
        return
    loader = cfg[f'{split}_dataloader']
    names = [
        _metainfo_of_class(dataset)['dataset_name'] for dataset in evaluator.get('datasets', ())
    ]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f'{split}_evaluator: MultiDatasetEvaluator cannot tell data sets apart whose classes '
            f'have the same name in METAINFO, here {twice}; {ONE_BY_ONE}'
        )
    unknown = sorted(
        {_metainfo_of(dataset)['dataset_name'] for dataset in _datasets(loader)} - set(names)
    )
    if unknown:
        raise UserError(
            f'{split}_evaluator: MultiDatasetEvaluator would leave out the data sets {unknown} of '
            f'{split}_dataloader, because it only knows {names}; {ONE_BY_ONE}'
        )
    if "'dataset_name'" not in repr(loader):
        raise UserError(
            f'{split}_evaluator: MultiDatasetEvaluator needs the name of each data set, so '
            f'meta_keys of PackPoseInputs in {split}_dataloader must have dataset_name; or '
            f'{ONE_BY_ONE}'
        )


def is_multi_dataset_evaluator(evaluator: object) -> bool:
    """Whether this is the config of MMPose's ``MultiDatasetEvaluator``."""
    if not isinstance(evaluator, dict):
        return False
    kind = evaluator.get('type')
    return str(getattr(kind, '__name__', kind)).split('.')[-1] == 'MultiDatasetEvaluator'


def _metainfo_of_class(dataset: ConfigDict) -> dict:
    """The parsed metainfo of a data set's class."""
    kind = dataset.get('type')
    if isinstance(kind, str):
        kind = DATASETS.get(kind)
    if kind is None:
        raise UserError(f"there is no data set of type='{dataset.get('type')}': correct the name")
    metainfo = getattr(kind, 'METAINFO', {})
    if not {'from_file', 'keypoint_info'} & set(metainfo):
        raise UserError(
            f"type='{dataset.get('type')}': this data set has no keypoints; name one of MMPose or "
            'of this project'
        )
    return read_metainfo(metainfo)


def _metainfo_of(dataset: ConfigDict) -> dict:
    """The parsed metainfo of a data set: its own, or that of its class."""
    if dataset.get('metainfo'):
        return read_metainfo(dataset['metainfo'])
    return _metainfo_of_class(dataset)
