"""COCO-WholeBody, whose annotations have their 133 keypoints in five lists."""

from mmpose.registry import DATASETS

from directpose.dataset_check import join_keypoints

from .coco import BottomupCocoDataset


@DATASETS.register_module()
class BottomupCocoWholeBodyDataset(BottomupCocoDataset):
    """COCO-WholeBody in bottom-up mode.

    A person's keypoints are those of body, feet, face, left hand and right hand, in this order.
    The filter on labelled keypoints counts all of them. The class has the arguments and the errors
    of :class:`BottomupCocoDataset`.
    """

    METAINFO: dict = dict(from_file='configs/_base_/datasets/coco_wholebody.py')

    def parse_data_info(self, raw_data_info: dict) -> dict | None:
        """Parse one annotation.

        Args:
            raw_data_info (dict): See :meth:`BottomupCocoDataset.parse_data_info`.

        Returns:
            dict: The annotation with all its keypoints in one array.
        """
        ann = raw_data_info['raw_ann_info']
        return super().parse_data_info(
            dict(raw_data_info, raw_ann_info=dict(ann, keypoints=join_keypoints(ann)))
        )
