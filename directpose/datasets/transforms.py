"""The recipe's own steps on an image and its people, in MMPose's style.

The frames are those of the image at hand: original pixels before a resize, input pixels after
it. Boxes are (x1, y1, x2, y2); the first pixel of a row is at x = 0, the last at x = width - 1.

Source: DirectPose (arXiv 1911.07451), Section 4, and the authors' implementation, which
follows maskrcnn-benchmark.
"""

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmpose.datasets.transforms import FilterAnnotations
from mmpose.registry import TRANSFORMS

from directpose.geometry import box_of_keypoints, short_side_resize

# Drops the people whose box is empty. In MMPose's filter `keep_empty=True` means to give up
# an image without people, which makes the data set draw another one; here it stays.
_drop_empty_boxes = FilterAnnotations(
    min_gt_bbox_wh=(0, 0), by_box=True, by_kpt=False, keep_empty=False
)


def _resize_image(results: dict, short_side: int, max_long_side: int) -> None:
    """Resize the image with PIL's bilinear filter, which averages where it shrinks.

    OpenCV's filter of that name does not, and gives the network another image.
    """
    h, w = results['img'].shape[:2]
    new_w, new_h = short_side_resize((w, h), short_side, max_long_side)
    results['img'] = mmcv.imresize(
        results['img'], (new_w, new_h), interpolation='bilinear', backend='pillow'
    )
    results['img_shape'] = (new_h, new_w)
    results['scale_factor'] = (new_w / w, new_h / h)


def _check_lengths(transform: BaseTransform, **lengths: int) -> None:
    """See that lengths in pixels are positive whole numbers."""
    for name, length in lengths.items():
        if type(length) is not int or length < 1:
            raise ValueError(
                f'{name} of {type(transform).__name__} must be a whole number of pixels from 1, '
                f'but is {length!r}'
            )


@TRANSFORMS.register_module()
class BBoxFromKeypoints(BaseTransform):
    """Replace each person's box by the tight box of the labelled keypoints.

    The box is grown by one pixel on every side and clipped to the image. Crowd regions and
    people left with an empty box (no labelled keypoint) are dropped.

    Required Keys:

    - img_shape
    - keypoints
    - keypoints_visible
    - iscrowd (optional)

    Modified Keys:

    - bbox
    - bbox_score (optional)
    - category_id (optional)
    - keypoints
    - keypoints_visible
    - area (optional)
    - iscrowd (optional)
    """

    def transform(self, results: dict) -> dict:
        """Replace ``bbox`` and drop people.

        Args:
            results (dict): The people of an image: ``keypoints`` (n, K, 2) in the pixels of the
                image, ``keypoints_visible`` (n, K).

        Returns:
            dict: The same with ``bbox`` (m, 4) and the m people that stay; m may be 0.
        """
        keypoints = results['keypoints']
        labelled = results['keypoints_visible'] > 0  # (n, K)
        if 'iscrowd' in results:
            labelled = labelled & ~np.asarray(results['iscrowd'], dtype=bool)[:, None]
        h, w = results['img_shape'][:2]
        bbox = box_of_keypoints(keypoints, labelled, (w, h))
        results['bbox'] = bbox.astype(np.float32)  # (n, 4)

        results = _drop_empty_boxes(results)
        if 'iscrowd' in results:
            results['iscrowd'] = [0] * len(results['bbox'])
        return results


@TRANSFORMS.register_module()
class RandomShortSideResize(BaseTransform):
    """Resize an image and its people so that the short side has a random length.

    For training. ``input_size`` is not set: MMPose 1.3's ``RandomFlip`` reads it as
    (height, width) and would mirror about the wrong width.

    Required Keys:

    - img
    - bbox (optional)
    - keypoints (optional)
    - area (optional)

    Modified Keys:

    - img
    - img_shape
    - bbox (optional)
    - keypoints (optional)
    - area (optional)

    Added Keys:

    - scale_factor: ratios of width and of height, which rounding makes differ

    Args:
        short_side (tuple[int, int]): Smallest and largest length of the short side; every
            integer from the one to the other is as likely. Defaults to (480, 1600).
        max_long_side (int): The cap on the long side. Defaults to 2666.

    Raises:
        ValueError: If the range is empty, or a length is not a positive whole number.
    """

    def __init__(
        self, short_side: tuple[int, int] = (480, 1600), max_long_side: int = 2666
    ) -> None:
        low, high = short_side
        _check_lengths(self, short_side=low, max_long_side=max_long_side)
        if low > high:
            raise ValueError(
                f'short_side of {type(self).__name__} must be (smallest, largest) with '
                f'1 <= smallest <= largest, but is {short_side}.'
            )
        self.short_side = (low, high)
        self.max_long_side = max_long_side

    @cache_randomness
    def _draw_short_side(self) -> int:
        low, high = self.short_side
        return int(np.random.randint(low, high + 1))

    def transform(self, results: dict) -> dict:
        """Resize the image and move the people with it.

        Args:
            results (dict): An image with its people in the image's pixels.

        Returns:
            dict: The same, resized.
        """
        _resize_image(results, self._draw_short_side(), self.max_long_side)
        scale_factor = np.array(results['scale_factor'], dtype=np.float32)
        if 'keypoints' in results:
            results['keypoints'] = results['keypoints'] * scale_factor
        if 'bbox' in results:
            results['bbox'] = results['bbox'] * np.tile(scale_factor, 2)
        if 'area' in results:
            results['area'] = results['area'] * scale_factor.prod()
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(short_side={self.short_side}, '
            f'max_long_side={self.max_long_side})'
        )


@TRANSFORMS.register_module()
class ShortSideResize(BaseTransform):
    """Resize an image by its short side for testing.

    The ground truth stays in original pixels, where MMPose evaluates and draws it. The keys
    added tell ``BottomupPoseEstimator`` how to take poses back there:
    ``x / input_size * input_scale + input_center - input_scale / 2``, which with the values
    set here is division by the real ratios of width and height.

    Required Keys:

    - img

    Modified Keys:

    - img
    - img_shape

    Added Keys:

    - scale_factor: ratios of width and of height
    - input_size: width and height after the resize
    - input_center: centre of the original image, in original pixels
    - input_scale: width and height of the original image

    Args:
        short_side (int): Length of the short side. Defaults to 800.
        max_long_side (int): The cap on the long side. Defaults to 1333.

    Raises:
        ValueError: If one of them is not a positive whole number.
    """

    def __init__(self, short_side: int = 800, max_long_side: int = 1333) -> None:
        _check_lengths(self, short_side=short_side, max_long_side=max_long_side)
        self.short_side = short_side
        self.max_long_side = max_long_side

    def transform(self, results: dict) -> dict:
        """Resize the image alone.

        Args:
            results (dict): An image.

        Returns:
            dict: The image in input pixels, and what leads back to original pixels.
        """
        h, w = results['img'].shape[:2]
        _resize_image(results, self.short_side, self.max_long_side)
        new_h, new_w = results['img_shape']
        results['input_size'] = (new_w, new_h)
        results['input_center'] = np.array((w / 2, h / 2), dtype=np.float32)
        results['input_scale'] = np.array((w, h), dtype=np.float32)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(short_side={self.short_side}, '
            f'max_long_side={self.max_long_side})'
        )


@TRANSFORMS.register_module()
class CropAroundPerson(BaseTransform):
    """Crop a window that contains the top left corner of a random person's box.

    The window's left edge is a random integer from the box's left edge back to half a window
    before it (but not outside the image), its top edge likewise. Without people it is the
    image's top left. What the image lacks is filled with 0 at the right and the bottom.

    Boxes are clipped to the window, keypoints outside it become unlabelled, and people whose
    box is empty then are dropped.

    Required Keys:

    - img
    - bbox
    - keypoints
    - keypoints_visible

    Modified Keys:

    - img
    - img_shape
    - bbox
    - bbox_score (optional)
    - category_id (optional)
    - keypoints
    - keypoints_visible
    - area (optional)

    Added Keys:

    - crop_offset: x and y of the window's top left, in pixels before the crop

    Args:
        crop_size (tuple[int, int]): Width and height of the window. Defaults to (800, 800).

    Raises:
        ValueError: If one of them is not a positive whole number.
    """

    def __init__(self, crop_size: tuple[int, int] = (800, 800)) -> None:
        width, height = crop_size
        _check_lengths(self, width=width, height=height)
        self.crop_size = (width, height)

    @cache_randomness
    def _draw_offset(self, bbox: np.ndarray) -> tuple[int, int]:
        if len(bbox) == 0:
            return 0, 0
        corner = bbox[np.random.randint(len(bbox)), :2].astype(int)  # (2,)
        farthest = np.maximum(corner - np.array(self.crop_size) // 2, 0)
        x, y = np.random.randint(farthest, corner + 1)
        return int(x), int(y)

    def transform(self, results: dict) -> dict:
        """Crop the image and move the people with it.

        Args:
            results (dict): An image with its people in the image's pixels: ``bbox`` (n, 4),
                ``keypoints`` (n, K, 2), ``keypoints_visible`` (n, K).

        Returns:
            dict: The window, with the m people that stay in it; m may be 0.
        """
        x, y = self._draw_offset(results['bbox'])
        w, h = self.crop_size
        results['img'] = mmcv.imcrop(
            results['img'], np.array([x, y, x + w - 1, y + h - 1]), pad_fill=0
        )
        results['img_shape'] = (h, w)
        results['crop_offset'] = (x, y)

        offset = np.array((x, y), dtype=np.float32)
        last = np.array((w - 1, h - 1), dtype=np.float32)
        bbox = (results['bbox'].reshape(-1, 2, 2) - offset).clip(0, last)  # (n, 2, 2)
        results['bbox'] = bbox.reshape(-1, 4)  # (n, 4)
        keypoints = results['keypoints'] - offset
        inside = ((keypoints >= 0) & (keypoints <= last)).all(axis=-1)  # (n, K)
        results['keypoints'] = keypoints
        results['keypoints_visible'] = results['keypoints_visible'] * inside
        return _drop_empty_boxes(results)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(crop_size={self.crop_size})'
