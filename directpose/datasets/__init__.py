from .coco import BottomupCocoDataset
from .transforms import (
    BBoxFromKeypoints,
    CropAroundPerson,
    RandomShortSideResize,
    ShortSideResize,
)

__all__ = [
    'BBoxFromKeypoints',
    'BottomupCocoDataset',
    'CropAroundPerson',
    'RandomShortSideResize',
    'ShortSideResize',
]
