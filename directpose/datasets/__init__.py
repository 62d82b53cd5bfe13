from .coco import BottomupCocoDataset
from .coco_wholebody import BottomupCocoWholeBodyDataset
from .transforms import (
    BBoxFromKeypoints,
    CropAroundPerson,
    RandomShortSideResize,
    ShortSideResize,
)
from .views import PoseTestTimeAug

__all__ = [
    'BBoxFromKeypoints',
    'BottomupCocoDataset',
    'BottomupCocoWholeBodyDataset',
    'CropAroundPerson',
    'PoseTestTimeAug',
    'RandomShortSideResize',
    'ShortSideResize',
]
