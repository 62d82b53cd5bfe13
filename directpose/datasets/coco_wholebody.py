"""COCO-WholeBody, whose 133 keypoints stand in five lists of an annotation."""

from mmpose.registry import DATASETS

from .coco import BottomupCocoDataset

KEYPOINT_LISTS = dict(keypoints=17, foot_kpts=6, face_kpts=68, lefthand_kpts=21, righthand_kpts=21)
"""The lists in the order of the metainfo, and the number of keypoints in each."""


def join_keypoints(ann: dict) -> list[float]:
    """All keypoints of an annotation: body, feet, face, left and right hand, in this order.

    Args:
        ann (dict): As it stands in the file; a list that lacks or is null counts as empty.

    Returns:
        list[float]: x1, y1, v1, x2, ... in original pixels.
    """
    return [number for name in KEYPOINT_LISTS for number in ann.get(name) or ()]


@DATASETS.register_module()
class BottomupCocoWholeBodyDataset(BottomupCocoDataset):
    """COCO-WholeBody in bottom-up mode: body, feet, face, left and right hand, in this order.

    The filter counts the labelled keypoints of all of them. Arguments and errors are those of
    :class:`BottomupCocoDataset`.
    """

    METAINFO: dict = dict(from_file='configs/_base_/datasets/coco_wholebody.py')

    def parse_data_info(self, raw_data_info: dict) -> dict | None:
        """Parse one annotation, with all its keypoints in one list."""
        ann = raw_data_info['raw_ann_info']
        return super().parse_data_info(
            dict(raw_data_info, raw_ann_info=dict(ann, keypoints=join_keypoints(ann)))
        )
