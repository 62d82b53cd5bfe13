"""Checks of the features and the training data that a head is given."""

from collections.abc import Sequence

from mmengine.structures import InstanceData
from torch import Tensor


def check_levels(
    feats: Sequence[Tensor], strides: Sequence[int], input_shape: tuple[int, int] | None
) -> None:
    """Check that the feature maps of the neck have the strides that the head expects.

    With other strides the head would learn wrong positions.

    Args:
        feats (Sequence[Tensor]): For each level, finest first, features of shape (N, C, H, W).
        strides (Sequence[int]): The strides of the head's levels, in input pixels.
        input_shape (tuple[int, int], optional): Height and width of the padded batch, which
            mmpose's preprocessor stores in the metainfo. Without them only the number of levels
            is checked.

    Raises:
        ValueError: If the number of levels or their strides differ.
    """
    shapes = [tuple(feat.shape[-2:]) for feat in feats]
    fits = len(shapes) == len(strides)
    if fits and input_shape is not None:
        # If a stride does not divide the input size, the neck may round up or down.
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


def check_one_size(feats: Sequence) -> None:
    """Check that the features are those of one image size.

    Args:
        feats (Sequence): The features. mmpose gives a sequence for each size, or for the mirrored
            image, in place of a tensor for each level.

    Raises:
        ValueError: If mmpose's ``flip_test`` or ``multiscale_test`` is on.
    """
    if not isinstance(feats[0], Tensor):
        raise ValueError(
            'DirectPoseHead takes the features of one image size: switch '
            '`model.test_cfg.flip_test` and `multiscale_test` off; '
            'tools/test.py --tta tests on mirrored images and several sizes'
        )


def check_keypoints(
    instances: Sequence[InstanceData], metainfo: dict, fields: Sequence[str]
) -> None:
    """Check that the data has the head's keypoints and all fields that the head learns from.

    Args:
        instances (Sequence[InstanceData]): The people of each image.
        metainfo (dict): The parsed metainfo of the head.
        fields (Sequence[str]): The fields that the people must have.

    Raises:
        ValueError: If the people lack a field, or have another number of keypoints.
    """
    for item in instances:
        if missing := [key for key in fields if key not in item]:
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
