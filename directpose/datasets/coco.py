"""COCO-style keypoint data for bottom-up training, checked where it is read."""

import json
from collections.abc import Iterable, Iterator

from mmengine import fileio
from mmengine.logging import print_log
from mmpose.datasets.datasets.body import CocoDataset
from mmpose.datasets.transforms import RandomFlip
from mmpose.registry import DATASETS

from directpose.metainfo import parse_metainfo

from .test_views import PoseTestTimeAug

_FILTER_KEYS = ('min_labelled_keypoints', 'min_bbox_size')
_PATH_REMEDY = (
    'It is data_root + {key} of {loader}.dataset in the config: correct them there, or give the '
    'tools the folder of the data as --data-root DIR.'
)


@DATASETS.register_module()
class BottomupCocoDataset(CocoDataset):
    """MMPose's COCO data set in bottom-up mode, with a filter on images and clear errors.

    A sample is an image with all its people. Other keypoints than COCO's are given by
    ``metainfo=dict(from_file=...)``, as in all of MMPose. Where it has no sigmas, a default
    holds (see :func:`directpose.metainfo.parse_metainfo`). Where it has no flip pairs, a mirrored
    image could not say which keypoint is which: the pipeline's flips are off, and the log says so.

    Args:
        data_mode (str): Only ``'bottomup'`` is possible. Defaults to ``'bottomup'``.
        filter_cfg (dict, optional): Which images to train on. Crowd regions do not count.

            - ``min_labelled_keypoints`` (int): the image's people together have at least so
              many labelled keypoints (v > 0);
            - ``min_bbox_size`` (float): at least one person's annotated box is wider and
              higher than this, in original pixels.

            Without it, all annotated images are used. In test mode nothing is filtered, since
            MMPose's ``CocoMetric`` scores against the whole annotation file.
        **kwargs: As for :class:`mmpose.datasets.CocoDataset`.

    Raises:
        ValueError: If ``data_mode`` or a key of ``filter_cfg`` is not known; if the annotation
            file is not JSON, does not fit the metainfo, or leaves no image.
        FileNotFoundError: If the annotation file or the directory of images does not exist.
    """

    def __init__(
        self, *, data_mode: str = 'bottomup', filter_cfg: dict | None = None, **kwargs
    ) -> None:
        if data_mode != 'bottomup':
            raise ValueError(
                f"{type(self).__name__} only has data_mode='bottomup', but got '{data_mode}'. "
                "Top-down data are in MMPose's CocoDataset."
            )
        unknown = sorted(set(filter_cfg or ()) - set(_FILTER_KEYS))
        if unknown:
            raise ValueError(
                f'filter_cfg of {type(self).__name__} has unknown keys {unknown}; it takes '
                f'{list(_FILTER_KEYS)}.'
            )
        super().__init__(data_mode=data_mode, filter_cfg=filter_cfg, **kwargs)
        if not self.metainfo['flip_pairs']:
            self._turn_flips_off()

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        return parse_metainfo(cls.METAINFO if metainfo is None else metainfo)

    def _turn_flips_off(self) -> None:
        for flip in _flips(self.pipeline.transforms):
            if isinstance(flip, RandomFlip):
                flip.prob = 0.0
            else:
                flip.turn_flip_off()
            print_log(
                f"{type(flip).__name__} does not mirror images of '{self.ann_file}': the metainfo "
                f"'{self.metainfo['dataset_name']}' has no flip pairs (`swap`).",
                logger='current',
            )

    def load_data_list(self) -> list[dict]:
        """Read the annotation file.

        Returns:
            list[dict]: One item for each image with annotations, in test mode for each image.
        """
        loader = 'test_dataloader' if self.test_mode else 'train_dataloader'
        if not fileio.exists(self.ann_file):
            remedy = _PATH_REMEDY.format(key='ann_file', loader=loader)
            raise FileNotFoundError(
                f"The annotation file '{self.ann_file}' does not exist. {remedy}"
            )
        images = self.data_prefix['img'] or '.'
        if not fileio.isdir(images):
            remedy = _PATH_REMEDY.format(key="data_prefix['img']", loader=loader)
            raise FileNotFoundError(f"The directory of images '{images}' does not exist. {remedy}")
        try:
            return super().load_data_list()
        except json.JSONDecodeError as error:
            raise ValueError(
                f"The annotation file '{self.ann_file}' is not valid JSON ({error}). Is it "
                'complete? Download or write it again.'
            ) from error

    def parse_data_info(self, raw_data_info: dict) -> dict | None:
        """Parse one annotation.

        Args:
            raw_data_info (dict): ``raw_ann_info``, the annotation, and ``raw_img_info``, its
                image, as they stand in the file.

        Returns:
            dict | None: What MMPose makes of it; None without a box or keypoints.

        Raises:
            ValueError: If the annotation has other than K keypoints, or is not of category 1.
        """
        ann = raw_data_info['raw_ann_info']
        where = f"Annotation {ann['id']} of '{self.ann_file}'"
        num_keypoints = self._metainfo['num_keypoints']
        if len(ann.get('keypoints', ())) not in (0, 3 * num_keypoints):
            raise ValueError(
                f"{where} has {len(ann['keypoints'])} numbers in 'keypoints', but the "
                f"metainfo '{self._metainfo['dataset_name']}' has {num_keypoints} keypoints of "
                "three numbers (x, y, v). Give the dataset the metainfo of this file's "
                'keypoints: metainfo=dict(from_file=...).'
            )
        if ann['category_id'] != 1:
            raise ValueError(
                f'{where} has category_id {ann["category_id"]}. MMPose writes every '
                'bottom-up result as category 1, so it would never be found: renumber the '
                'category, or leave its annotations out.'
            )
        return super().parse_data_info(raw_data_info)

    def filter_data(self) -> list[dict]:
        """Choose the images to train on by ``filter_cfg``, and log how many there are.

        Returns:
            list[dict]: The items of the images that stay.
        """
        images = self.data_list
        if self.filter_cfg and not self.test_mode:
            images = self._filter_images()
        if not images:
            raise ValueError(
                f"Of {len(self.data_list)} annotated images in '{self.ann_file}' none is left. "
                "Is it a file of person keypoints (each annotation with 'bbox' and "
                f"'keypoints')? Is filter_cfg={self.filter_cfg} too strict?"
            )
        return images

    def _filter_images(self) -> list[dict]:
        min_keypoints = self.filter_cfg.get('min_labelled_keypoints', 0)
        min_size = self.filter_cfg.get('min_bbox_size', 0)

        def count_labelled(people: Iterable[dict]) -> int:
            return sum(v > 0 for ann in people for v in ann['keypoints'][2::3])

        def has_box(people: Iterable[dict]) -> bool:
            return any(min(ann['bbox'][2:]) > min_size for ann in people)

        kept, few_keypoints, small_boxes = [], 0, 0
        for image in self.data_list:
            people = [ann for ann in image['raw_ann_info'] if not ann.get('iscrowd', 0)]
            if count_labelled(people) < min_keypoints:
                few_keypoints += 1
            elif not has_box(people):
                small_boxes += 1
            else:
                kept.append(image)
        print_log(
            f'Train on {len(kept)} of {len(self.data_list)} annotated images of '
            f"'{self.ann_file}': {few_keypoints} have fewer than {min_keypoints} labelled "
            f'keypoints, {small_boxes} more no box wider and higher than {min_size} px.',
            logger='current',
        )
        return kept


def _flips(steps: Iterable) -> Iterator[RandomFlip | PoseTestTimeAug]:
    """The steps of a pipeline that mirror images, also those that others wrap."""
    for step in steps:
        if isinstance(step, RandomFlip | PoseTestTimeAug):
            yield step
        else:
            yield from _flips(getattr(step, 'transforms', ()))
