from .coco import BottomupCocoDataset
from .coco_wholebody import BottomupCocoWholeBodyDataset
from .test_views import PoseTestTimeAug
from .transforms import (
    BBoxFromKeypoints,
    CropAroundPerson,
    RandomShortSideResize,
    ShortSideResize,
)

__all__ = [
    'BBoxFromKeypoints',
    'BottomupCocoDataset',
    'BottomupCocoWholeBodyDataset',
    'CropAroundPerson',
    'PoseTestTimeAug',
    'RandomShortSideResize',
    'ShortSideResize',
]
