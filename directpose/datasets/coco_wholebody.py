"""COCO-WholeBody, whose 133 keypoints stand in five lists of an annotation."""

from mmpose.registry import DATASETS

from directpose.dataset_check import join_keypoints

from .coco import BottomupCocoDataset


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
