"""The transform that makes the views of an image for test-time augmentation."""

from collections.abc import Sequence

from mmcv.transforms import BaseTransform, RandomFlip, TestTimeAug
from mmpose.registry import TRANSFORMS

from .transforms import ShortSideResize

_FLIP_KEYS = ('flip', 'flip_direction', 'flip_indices')


@TRANSFORMS.register_module()
class PoseTestTimeAug(TestTimeAug):
    """Run a test pipeline at several image sizes, and for each size upright and mirrored.

    :class:`~directpose.models.PoseTTAModel` merges the poses of these views. In every view the
    ground truth stays upright and in original pixels.

    Args:
        transforms (Sequence[dict]): The test pipeline. It must contain a ``ShortSideResize`` and
            end with ``PackPoseInputs``.
        scales (Sequence[float]): The factors by which to multiply the sizes of
            ``ShortSideResize``. NMS over all views uses the input pixels of the first one.
        flip (bool): Whether to add a mirrored view of each size. Defaults to True.

    Raises:
        ValueError: If the pipeline has no ``ShortSideResize``, if ``PackPoseInputs`` lacks a meta
            key that is needed to mirror poses back, or if a scale is not positive.
    """

    def __init__(
        self, transforms: Sequence[dict], scales: Sequence[float], flip: bool = True
    ) -> None:
        name = type(self).__name__
        if not scales or min(scales) <= 0:
            raise ValueError(f'scales of {name} must be above 0, but are {scales}')
        *steps, pack = [TRANSFORMS.build(step) for step in transforms]
        if not any(isinstance(step, ShortSideResize) for step in steps):
            raise ValueError(f'{name} scales ShortSideResize, which is not in {transforms}')
        lacking = [key for key in _FLIP_KEYS if key not in pack.meta_keys]
        if flip and lacking:
            raise ValueError(
                f'the meta_keys of PackPoseInputs lack {lacking}, by which mirrored poses are '
                f'turned back: add them to the test pipeline, or set flip=False of {name}'
            )
        # MMCV's flip mirrors the image alone. MMPose's would move the ground truth as well.
        flips = [RandomFlip(prob=0.0), RandomFlip(prob=1.0)]
        super().__init__(
            [*[_at_scales(step, scales) for step in steps], flips if flip else flips[:1], [pack]]
        )
        self.flip = flip

    def turn_flip_off(self) -> None:
        """Leave out the mirrored views, which are of no use if the metainfo has no flip pairs."""
        if self.flip:
            self.subroutines = self.subroutines[::2]  # each size is upright, then mirrored
            self.flip = False

    def transform(self, results: dict) -> dict:
        """Make the views.

        Args:
            results (dict): An image of a data set.

        Returns:
            dict: ``inputs`` and ``data_samples``, two lists with one entry for each view. The
            views have the order of ``scales``. For each scale, the upright view comes first.
        """
        # MMPose puts the whole data set into `results`, and MMCV copies `results` for every view.
        return super().transform({k: v for k, v in results.items() if k != 'dataset'})


def _at_scales(step: BaseTransform, scales: Sequence[float]) -> list[BaseTransform]:
    """Make a resize for each scale from a ``ShortSideResize``. Other steps stay as they are."""
    if not isinstance(step, ShortSideResize):
        return [step]
    return [
        ShortSideResize(round(step.short_side * scale), round(step.max_long_side * scale))
        for scale in scales
    ]
