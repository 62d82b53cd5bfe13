from .coco import BottomupCocoDataset
from .transforms import (
    BBoxFromKeypoints,
    CropAroundPerson,
    RandomShortSideResize,
    ShortSideResize,
)
from .tta import PoseTestTimeAug

__all__ = [
    'BBoxFromKeypoints',
    'BottomupCocoDataset',
    'CropAroundPerson',
    'PoseTestTimeAug',
    'RandomShortSideResize',
    'ShortSideResize',
]
