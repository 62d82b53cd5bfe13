"""No mirrored images where the keypoints have no left and right."""

from collections.abc import Iterable, Iterator

from mmengine.logging import print_log
from mmpose.datasets.transforms import RandomFlip

from .views import PoseTestTimeAug


def turn_flips_off(dataset: object) -> None:
    """Switch the flips off in the pipelines of data sets that have no flip pairs, in place.

    ``RandomFlip`` no longer mirrors, and ``PoseTestTimeAug`` leaves out the mirrored views. A data
    set switches off the flips in its own pipeline. But it cannot see the pipeline of a wrapper,
    such as ``CombinedDataset(pipeline=[..., RandomFlip])``, which would still mirror images.

    Args:
        dataset (object): A data set, or a wrapper with ``dataset`` or ``datasets``.
    """
    for node in _nodes(dataset):
        metainfo = getattr(node, 'metainfo', None) or {}
        if metainfo.get('flip_pairs', True):
            continue
        for flip in _flips(getattr(getattr(node, 'pipeline', None), 'transforms', ())):
            if isinstance(flip, PoseTestTimeAug):
                mirrors = flip.flip
                flip.turn_flip_off()
            else:
                mirrors = flip.prob
                flip.prob = 0.0
            if mirrors:
                of = getattr(node, 'ann_file', '') or type(node).__name__
                print_log(
                    f"{type(flip).__name__} does not mirror images of '{of}': the metainfo "
                    f"'{metainfo.get('dataset_name')}' has no flip pairs (`swap`).",
                    logger='current',
                )


def _nodes(dataset: object) -> Iterator[object]:
    """A data set and all that it wraps."""
    yield dataset
    for inner in (getattr(dataset, 'dataset', None), *getattr(dataset, 'datasets', ())):
        if inner is not None:
            yield from _nodes(inner)


def _flips(steps: Iterable) -> Iterator[RandomFlip | PoseTestTimeAug]:
    """The steps of a pipeline that mirror images, also those inside other steps."""
    for step in steps:
        if isinstance(step, RandomFlip | PoseTestTimeAug):
            yield step
        else:
            yield from _flips(getattr(step, 'transforms', ()))
