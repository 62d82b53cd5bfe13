"""The transforms of the training recipe and of the test, in the style of MMPose.

Coordinates are in pixels of the current image. Before a resize these are original pixels, and
after it they are input pixels. Boxes are (x1, y1, x2, y2). The first pixel of a row is at x = 0
and the last one at x = width - 1.

The recipe is in section 4 of DirectPose (arXiv 1911.07451) and in the authors' implementation,
which follows maskrcnn-benchmark.
"""

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmpose.datasets.transforms import FilterAnnotations
from mmpose.registry import TRANSFORMS

from directpose.geometry import box_of_keypoints, short_side_resize

# Drops the people whose box is empty. `keep_empty=False` keeps an image without people. With True,
# MMPose's filter would return None, and the data set would draw another image.
_drop_empty_boxes = FilterAnnotations(
    min_gt_bbox_wh=(0, 0), by_box=True, by_kpt=False, keep_empty=False
)


def _resize_image(results: dict, short_side: int, max_long_side: int) -> None:
    """Resize the image with PIL's bilinear filter.

    When this filter shrinks an image, it averages over all pixels. OpenCV's bilinear filter does
    not, and so the network would get another image.
    """
    h, w = results['img'].shape[:2]
    new_w, new_h = short_side_resize((w, h), short_side, max_long_side)
    results['img'] = mmcv.imresize(
        results['img'], (new_w, new_h), interpolation='bilinear', backend='pillow'
    )
    results['img_shape'] = (new_h, new_w)
    results['scale_factor'] = (new_w / w, new_h / h)


def _check_lengths(transform: BaseTransform, **lengths: int) -> None:
    """Check that lengths in pixels are positive whole numbers."""
    for name, length in lengths.items():
        if type(length) is not int or length < 1:
            raise ValueError(
                f'{name} of {type(transform).__name__} must be a whole number of pixels from 1, '
                f'but is {length!r}'
            )


@TRANSFORMS.register_module()
class BBoxFromKeypoints(BaseTransform):
    """Replace each person's box by the tight box around the labelled keypoints.

    The box is enlarged by one pixel on every side and clipped to the image. Crowd regions are
    dropped, and so are people whose box is empty because they have no labelled keypoint.

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
            results (dict): An image with n people: ``keypoints`` (n, K, 2) in pixels of the image
                and ``keypoints_visible`` (n, K).

        Returns:
            dict: The image with ``bbox`` (m, 4) and the m people that are kept. m may be 0.
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
    """Resize an image and its people so that the short side has a random length, for training.

    The transform does not set ``input_size``. MMPose 1.3's ``RandomFlip`` would read it as
    (height, width) and mirror about the wrong width.

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

    - scale_factor: the ratios of the widths and of the heights, which differ by rounding

    Args:
        short_side (tuple[int, int]): The smallest and the largest length of the short side. All
            integers in this range are equally likely. Defaults to (480, 1600).
        max_long_side (int): The largest length of the long side. Defaults to 2666.

    Raises:
        ValueError: If the range is empty, or if a length is not a positive whole number.
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
        """Resize the image and its people.

        Args:
            results (dict): An image with its people in pixels of the image.

        Returns:
            dict: The resized image with its people.
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
    """Resize an image so that the short side has a given length, for testing.

    The ground truth stays in original pixels, because MMPose evaluates and draws it there. With
    the added keys, ``BottomupPoseEstimator`` converts poses to original pixels:
    ``x / input_size * input_scale + input_center - input_scale / 2``. With the values of this
    transform, this is a division by the exact ratios of the widths and of the heights.

    Required Keys:

    - img

    Modified Keys:

    - img
    - img_shape

    Added Keys:

    - scale_factor: the ratios of the widths and of the heights
    - input_size: width and height after the resize
    - input_center: centre of the original image, in original pixels
    - input_scale: width and height of the original image

    Args:
        short_side (int): The length of the short side. It becomes smaller where the long side
            would exceed its limit. Defaults to 800.
        max_long_side (int): The largest length of the long side. Defaults to 1333.

    Raises:
        ValueError: If one of the lengths is not a positive whole number.
    """

    def __init__(self, short_side: int = 800, max_long_side: int = 1333) -> None:
        _check_lengths(self, short_side=short_side, max_long_side=max_long_side)
        self.short_side = short_side
        self.max_long_side = max_long_side

    def transform(self, results: dict) -> dict:
        """Resize the image but not the ground truth.

        Args:
            results (dict): An image.

        Returns:
            dict: The resized image, and the keys that lead back to original pixels.
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

    The left edge of the window is a random integer between the left edge of the box and the place
    half a window further to the left, but never outside the image. The top edge is chosen in the
    same way. Without people the window starts at the top left corner of the image. If the window
    extends beyond the image at the right or at the bottom, this part is filled with 0.

    Boxes are clipped to the window. Keypoints outside the window become unlabelled. People whose
    box is then empty are dropped.

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

    - crop_offset: x and y of the window's top left corner, in pixels of the image before the crop

    Args:
        crop_size (tuple[int, int]): Width and height of the window. Defaults to (800, 800).

    Raises:
        ValueError: If the width or the height is not a positive whole number.
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
        """Crop the image and move its people into the frame of the window.

        Args:
            results (dict): An image with n people in pixels of the image: ``bbox`` (n, 4),
                ``keypoints`` (n, K, 2) and ``keypoints_visible`` (n, K).

        Returns:
            dict: The window with the m people that are kept. m may be 0.
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
