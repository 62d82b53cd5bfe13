"""A data set of keypoints in COCO's format that checks its files when it reads them."""

import logging
import os.path as osp
import shlex
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from mmengine import fileio
from mmengine.logging import MessageHub, print_log
from mmpose.datasets.datasets.body import CocoDataset
from mmpose.registry import DATASETS

from directpose.dataset_check import (
    DatasetError,
    Finding,
    KeypointAnnotations,
    Person,
    check_image_file,
    describe,
    find_errors,
    load_coco_json,
    parse_annotations,
)
from directpose.geometry import box_of_keypoints
from directpose.metainfo import parse_metainfo
from directpose.pictures import MAX_PIXELS

from .flips import turn_flips_off
from .reading import readable, without_byte_order_mark

_FILTER_KEYS = ('min_labelled_keypoints', 'min_bbox_size', 'keep_negatives')
_PATH_REMEDY = (
    'It is data_root + {key} of {loader}.dataset in the config: correct them there, or give the '
    'tools the folder of the data as --data-root DIR.'
)


@DATASETS.register_module()
class BottomupCocoDataset(CocoDataset):
    """MMPose's COCO data set in bottom-up mode, with checks and with a filter on images.

    A sample is an image with all its people. For other keypoints than COCO's, give
    ``metainfo=dict(from_file=...)``, as for all data sets of MMPose. If the metainfo has no
    sigmas, defaults are used, see :func:`directpose.metainfo.parse_metainfo`. If it has no flip
    pairs, nobody can know which keypoints change places in a mirrored image. Then the data set
    turns the flips of its pipeline off, and says so in the log.

    The data set raises what ``tools/check_dataset.py`` calls an error, with the same message. It
    checks the annotation file, and that all images exist, when it reads the file. It checks that
    an image is intact, and has the size in the annotation file, when it loads the image. Errors in
    fields that only a metric reads (``area``, ``iscrowd``, ``num_keypoints``) count in test mode
    alone. The log has the number of people and images that training leaves out, and why.

    Args:
        data_mode (str): Only ``'bottomup'`` is possible. Defaults to ``'bottomup'``.
        filter_cfg (dict, optional): The conditions for an image to be trained on. Crowd regions do
            not count. Defaults to None, which uses all images with annotations.

            - ``min_labelled_keypoints`` (int): The least number of labelled keypoints (v > 0) of
              all people in the image together.
            - ``min_bbox_size`` (float): At least one annotated box must be wider and higher than
              this, in original pixels.
            - ``keep_negatives`` (bool): Whether to keep the images without any annotation, from
              which training learns where nobody is. Defaults to False.

            In test mode nothing is filtered, because MMPose's ``CocoMetric`` compares with the
            whole annotation file.
        keep_visibility (bool): Whether ``keypoints_visible`` of a sample has COCO's values: 0 for
            unlabelled, 1 for hidden, 2 for visible. MMPose has 1 for all labelled keypoints.
            Defaults to False.
        use_area (bool): The argument of that name of the metric. Set it to False for data without
            ``area``, and the field is not checked. Defaults to True.
        max_pixels (int): The largest number of pixels of an image. A larger image is refused
            before it is decoded. Defaults to the limit of :mod:`directpose.pictures`.
        **kwargs: The other arguments of :class:`mmpose.datasets.CocoDataset`.

    Raises:
        ValueError: If ``data_mode`` or a key of ``filter_cfg`` is unknown.
        DatasetError: If the annotation file cannot be parsed or has an error, or if no image is
            left. It is a ValueError.
        FileNotFoundError: If the annotation file or the folder of images does not exist.
    """

    def __init__(
        self,
        *,
        data_mode: str = 'bottomup',
        filter_cfg: dict | None = None,
        keep_visibility: bool = False,
        use_area: bool = True,
        max_pixels: int = MAX_PIXELS,
        **kwargs,
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
        self.keep_visibility = keep_visibility
        self.use_area, self.max_pixels = use_area, max_pixels
        # Metainfo that stands in the config itself has no file to name in a message.
        self._metainfo_file = (kwargs.get('metainfo') or self.METAINFO).get('from_file', 'FILE')
        super().__init__(data_mode=data_mode, filter_cfg=filter_cfg, **kwargs)
        if self.test_mode:  # MMPose's metric reads the path from here
            key = f'{self.metainfo["dataset_name"]}_ann_file'
            MessageHub.get_current_instance().update_info(
                key, without_byte_order_mark(self.ann_file)
            )
        turn_flips_off(self)

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        return parse_metainfo(cls.METAINFO if metainfo is None else metainfo)

    def load_data_list(self) -> list[dict]:
        """Read the annotation file.

        Returns:
            list[dict]: One item for each image. In training, images without annotations are left
            out unless ``keep_negatives`` is set.
        """
        loader = 'val_dataloader or test_dataloader' if self.test_mode else 'train_dataloader'
        if not fileio.exists(self.ann_file):
            remedy = _PATH_REMEDY.format(key='ann_file', loader=loader)
            raise FileNotFoundError(
                f"The annotation file '{self.ann_file}' does not exist. {remedy}"
            )
        images = self.data_prefix['img'] or '.'
        if not fileio.isdir(images):
            remedy = _PATH_REMEDY.format(key="data_prefix['img']", loader=loader)
            raise FileNotFoundError(f"The folder of images '{images}' does not exist. {remedy}")
        content = load_coco_json(self.ann_file, annotated=not self.test_mode)
        data = parse_annotations(
            content, images, self._metainfo, f"the metainfo '{self._metainfo['dataset_name']}'"
        )
        errors = find_errors(
            data, self.test_mode, self.use_area, look_for_files='://' not in images
        )
        if errors:
            self._refuse(errors)
        if not data.people:
            print_log(
                f"'{self.ann_file}' has no annotations: nothing can be scored, all figures are -1. "
                'Write the poses with test_evaluator.format_only=True and '
                'test_evaluator.outfile_prefix=NAME.',
                logger='current',
                level=logging.WARNING,
            )
        self._metainfo['CLASSES'] = data.categories
        ids = {image['id'] for image in data.images if image['id'] % self.sample_interval == 0}
        data = replace(
            data,
            images=[image for image in data.images if image['id'] in ids],
            people=[person for person in data.people if person.ann['image_id'] in ids],
        )
        people, images = self._parse(data)
        items = self._get_bottomup_data_infos(people, images)
        if not self.test_mode:
            self._tell_dropped(data)
            items += self._negatives({item['img_id'] for item in items}, images)
        sizes = {image['id']: (image['width'], image['height']) for image in data.images}
        return [dict(item, written_size=sizes[item['img_id']]) for item in items]

    def _refuse(self, errors: Iterable[Finding]) -> None:
        raise DatasetError(
            '\n'.join(
                [
                    f"'{self.ann_file}' cannot be used:",
                    *describe(errors, limit=3),
                    f'{self._check_command()} lists all that it finds.',
                ]
            )
        )

    def _check_command(self) -> str:
        """The command line that checks the data as this data set does."""
        words = ['tools/check_dataset.py', self.ann_file, self.data_prefix['img'] or '.']
        if self._metainfo_file != CocoDataset.METAINFO['from_file']:
            words += ['--metainfo', self._metainfo_file]
        if not self.use_area:
            words.append('--no-area')
        needed = (self.filter_cfg or {}).get('min_labelled_keypoints', 0)
        if not self.test_mode and needed != 10:  # the default of the checker
            words += ['--min-keypoints', str(needed)]
        if self.max_pixels != MAX_PIXELS:
            words += ['--max-pixels', str(self.max_pixels)]
        return shlex.join(words)

    def _parse(self, data: KeypointAnnotations) -> tuple[list[dict], list[dict]]:
        """Convert the people and the images of the file to MMPose's form."""
        people, images = [], []
        for image in data.images:
            path = osp.join(self.data_prefix['img'], image['file_name'])
            image = dict(image, img_id=image['id'], img_path=path)
            images.append(image)
            people += [
                self.parse_data_info(dict(raw_ann_info=person.ann, raw_img_info=image))
                for person in data.people_of[image['id']]
            ]
        return people, images

    def parse_data_info(self, raw_data_info: dict) -> dict:
        """Parse one annotation.

        Args:
            raw_data_info (dict): The annotation as ``raw_ann_info`` and its image as
                ``raw_img_info``, both as in the file.

        Returns:
            dict: The annotation as MMPose parses it, with COCO's visibility if
            ``keep_visibility`` is set.
        """
        ann = readable(raw_data_info['raw_ann_info'])
        item = super().parse_data_info(dict(raw_data_info, raw_ann_info=ann))
        if self.keep_visibility:
            item['keypoints_visible'] = np.array([ann['keypoints'][2::3]], np.float32)  # (1, K)
        return item

    def _negatives(self, annotated: set[int], images: list[dict]) -> list[dict]:
        """Make the items of the images without any annotation, if these images are kept."""
        if not (self.filter_cfg or {}).get('keep_negatives'):
            return []
        num_keypoints = self._metainfo['num_keypoints']
        nobody = dict(
            bbox=np.empty((0, 4), np.float32),
            bbox_score=np.empty(0, np.float32),
            num_keypoints=[],
            keypoints=np.empty((0, num_keypoints, 2), np.float32),
            keypoints_visible=np.empty((0, num_keypoints), np.float32),
            area=np.empty(0, np.float32),
            iscrowd=[],
            segmentation=[],
            id=[],
            category_id=np.empty(0, int),
            raw_ann_info=[],
            invalid_segs=[],
        )
        return [
            dict(nobody, img_id=image['img_id'], img_path=image['img_path'])
            for image in images
            if image['img_id'] not in annotated
        ]

    def _tell_dropped(self, data: KeypointAnnotations) -> None:
        """Log how many people training leaves out, and by which rule."""
        dropped = {
            'are crowd regions': [p for p in data.people if p.is_crowd],
            'have no labelled keypoint': [
                p for p in data.people if not p.is_crowd and not p.num_labelled
            ],
            'have no labelled keypoint in the image': [
                p for p in data.people if p.is_trained and _is_outside(p)
            ],
        }
        parts = [
            f'{len(people)} {rule} (the first is {people[0]})'
            for rule, people in dropped.items()
            if people
        ]
        empty = sum(not data.people_of[image['id']] for image in data.images)
        if empty:
            kept = (self.filter_cfg or {}).get('keep_negatives')
            parts.append(
                f'{empty} of {len(data.images)} images have no annotation and are '
                + ('kept as negatives' if kept else 'left out (filter_cfg keep_negatives)')
            )
        total = len(data.people) - sum(map(len, dropped.values()))
        print_log(
            f"Learn from {total} of {len(data.people)} annotations of '{self.ann_file}'"
            + ''.join(f'; {part}' for part in parts),
            logger='current',
        )

    def prepare_data(self, idx: int) -> dict:
        """Run the pipeline on an image and its people.

        Args:
            idx (int): The index of the image.

        Returns:
            dict: The output of the pipeline.

        Raises:
            DatasetError: If the image file cannot be read, or has another size than the annotation
                file says.
        """
        self._check_image(idx, decode=False)
        try:
            return super().prepare_data(idx)
        except Exception:
            self._check_image(idx, decode=True)  # raises an error that names the fault
            raise

    def _check_image(self, idx: int, decode: bool) -> None:
        item = self.get_data_info(idx)
        if '://' in item['img_path']:
            return
        width, height = item['written_size']
        entry = dict(id=item['img_id'], file_name=item['img_path'], width=width, height=height)
        found = check_image_file(entry, '', decode, self.max_pixels)
        errors = [one for one in found if one.level == 'error']
        if errors:
            self._refuse(errors)

    def filter_data(self) -> list[dict]:
        """Choose the images to train on by ``filter_cfg``, and log their number.

        Returns:
            list[dict]: The items of the images that are kept.
        """
        images = self.data_list
        if self.filter_cfg and not self.test_mode:
            images = self._filter_images()
        if not any(self.test_mode or image['raw_ann_info'] for image in images):
            raise DatasetError(
                f"Of {len(self.data_list)} images in '{self.ann_file}' none is left. "
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
            people = [ann for ann in image['raw_ann_info'] if not ann['iscrowd']]
            if not image['raw_ann_info']:
                kept.append(image)  # a negative
            elif count_labelled(people) < min_keypoints:
                few_keypoints += 1
            elif not has_box(people):
                small_boxes += 1
            else:
                kept.append(image)
        print_log(
            f'Train on {len(kept)} of {len(self.data_list)} images of '
            f"'{self.ann_file}': {few_keypoints} have fewer than {min_keypoints} labelled "
            f'keypoints, {small_boxes} more no box wider and higher than {min_size} px.',
            logger='current',
        )
        return kept


def _is_outside(person: Person) -> bool:
    keypoints = person.keypoints[None]  # (1, K, 3)
    box = box_of_keypoints(keypoints[..., :2], keypoints[..., 2] > 0, person.image_size)[0]
    return bool((box[2:] <= box[:2]).any())
