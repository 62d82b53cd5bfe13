"""Training data and features that do not fit the head are refused, by name."""

from collections.abc import Sequence

from mmengine.structures import InstanceData
from torch import Tensor


def check_levels(
    feats: Sequence[Tensor], strides: Sequence[int], input_shape: tuple[int, int] | None
) -> None:
    """See that the neck fits: with other strides the head would learn wrong positions.

    Args:
        feats (Sequence[Tensor]): (N, C, H, W) a level, finest first.
        strides (Sequence[int]): The head's, in input pixels.
        input_shape (tuple[int, int], optional): Height and width of the padded batch, which
            mmpose's preprocessor notes. Without it only the levels are counted.

    Raises:
        ValueError: If there are more or fewer levels, or levels of other strides.
    """
    shapes = [tuple(feat.shape[-2:]) for feat in feats]
    fits = len(shapes) == len(strides)
    if fits and input_shape is not None:
        # a neck may round a cell up or down where a stride does not divide the input
        fits = all(
            abs(cells * stride - pixels) < stride
            for shape, stride in zip(shapes, strides)
            for cells, pixels in zip(shape, input_shape)
        )
    if not fits:
        raise ValueError(
            f'the neck gives {len(shapes)} levels of {shapes} cells for an input of '
            f'{input_shape} pixels, but DirectPoseHead has the strides {strides}: give '
            '`model.head` the `strides` and `regress_ranges` of the neck, or the neck other '
            'levels'
        )


def check_keypoints(instances: Sequence[InstanceData], metainfo: dict) -> None:
    """See that the data are of the head's keypoints.

    Args:
        instances (Sequence[InstanceData]): The people of each image.
        metainfo (dict): The head's, parsed.

    Raises:
        ValueError: If they lack what the head learns from, or have another number of keypoints.
    """
    for item in instances:
        if missing := [
            key for key in ('bboxes', 'keypoints', 'keypoints_visible') if key not in item
        ]:
            raise ValueError(
                f'the training data lacks {missing}, which DirectPoseHead learns from: end the '
                "training pipeline with dict(type='GenerateTarget', encoder=dict("
                "type='YOLOXPoseAnnotationProcessor')) and dict(type='PackPoseInputs')"
            )
        if item.keypoints.shape[1] != metainfo['num_keypoints']:
            raise ValueError(
                f'the data has {item.keypoints.shape[1]} keypoints a person, but the metainfo '
                f'"{metainfo["dataset_name"]}" of DirectPoseHead has '
                f"{metainfo['num_keypoints']}: give `model.head.metainfo` and the data sets' "
                '`metainfo` the same value'
            )
