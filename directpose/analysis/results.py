"""Compare a results file in COCO's format with the annotations: AP and matched people."""

import contextlib
import copy
import io
import json
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from directpose.dataset_check import KEYPOINT_LISTS, join_keypoints, load_coco_json, to_array
from directpose.errors import UserError
from directpose.metainfo import parse_metainfo

MAX_DETECTIONS = 20
"""COCO's metric takes only this many predictions of a picture, those with the best scores."""

_FIELDS = ('area', 'bbox', 'iscrowd', 'num_keypoints')
"""What COCO's metric reads of each annotated person besides the keypoints."""


class Match(NamedTuple):
    """The result of COCO's matching at one threshold of OKS, over all pictures."""

    person_of: dict[int, int]
    """The id of the annotated person for each matched prediction, by the prediction's index."""
    ignored: set[int]
    """Indices of the predictions that COCO does not count, because they match a crowd or a person
    without labelled keypoints."""


def similarity(
    predicted: np.ndarray, keypoints: np.ndarray, area: np.ndarray | float, sigmas: np.ndarray
) -> np.ndarray:
    """Compute the similarity of single keypoints, whose mean over a person is COCO's OKS.

    Args:
        predicted (np.ndarray): (..., K, 2), predicted keypoints in original pixels.
        keypoints (np.ndarray): (..., K, 2), annotated keypoints in original pixels.
        area (np.ndarray | float): (..., ), the person's area in square original pixels.
        sigmas (np.ndarray): (K, ), the sigmas of OKS.

    Returns:
        np.ndarray: (..., K), from 0 to 1.
    """
    squared = ((predicted - keypoints) ** 2).sum(axis=-1)
    spread = 2 * (2 * sigmas) ** 2 * (np.asarray(area)[..., None] + np.spacing(1))
    return np.exp(-squared / spread)


class Results:
    """Predictions and annotations of the same pictures.

    Args:
        results_file (str): Results as a COCO JSON: a list of entries with ``image_id``,
            ``category_id``, ``keypoints`` (3K numbers) and ``score``; or the file of
            ``tools/test.py --dump``.
        ann_file (str): Annotations as a COCO JSON, in which all people have one category. The five
            lists of keypoints of COCO-WholeBody are joined.
        metainfo (dict): The metainfo of the data set, as MMPose has it. The sigmas and the flip
            pairs are read from it.

    Raises:
        UserError: If a file does not have this format, or if the files do not belong together.
    """

    def __init__(self, results_file: str, ann_file: str, metainfo: dict) -> None:
        self.metainfo = parse_metainfo(metainfo)
        self.sigmas = np.asarray(self.metainfo['sigmas'], dtype=np.float64)
        self.names = [self.metainfo['keypoint_id2name'][i] for i in range(len(self.sigmas))]
        self.flip_indices = np.asarray(self.metainfo['flip_indices'])

        data = load_coco_json(ann_file)
        self.areas_of_boxes = _complete(data['annotations'], len(self.sigmas), ann_file)
        """Whether the annotations have no areas, as CrowdPose's. 0.53 times the box is taken."""
        self.predictions = _as_results(_read_json(results_file))
        self._check(results_file, ann_file, data)
        # COCO's matching takes the id 0 for "nobody".
        for number, annotation in enumerate(data['annotations'], 1):
            annotation['id'] = number
        self.coco = COCO()
        self.coco.dataset = data
        with contextlib.redirect_stdout(io.StringIO()):
            self.coco.createIndex()

    def _check(self, results_file: str, ann_file: str, data: dict) -> None:
        """Check that the two files belong together and that the metainfo fits both."""
        count = 3 * len(self.sigmas)
        if not isinstance(self.predictions, list):
            raise UserError(f"{results_file}: not a list of predictions, COCO's results format")
        images = {image['id'] for image in data['images']}
        for name, entries in ((results_file, self.predictions), (ann_file, data['annotations'])):
            for number, entry in enumerate(entries):
                if not isinstance(entry, dict) or type(entry.get('image_id')) is not int:
                    raise UserError(f'{name}: entry {number} is not an object with an `image_id`')
                keypoints = entry.get('keypoints', [])
                if not isinstance(keypoints, list) or not all(map(_is_number, keypoints)):
                    raise UserError(
                        f'{name}: entry {number} has `keypoints` that are no finite numbers'
                    )
                if len(keypoints) != count:
                    raise UserError(
                        f'{name}: entry {number} has {len(keypoints)} numbers in '
                        f'`keypoints`, but the metainfo "{self.metainfo["dataset_name"]}" has '
                        f'{len(self.sigmas)} keypoints of 3 numbers; give the metainfo of the data'
                    )
                if entry['image_id'] not in images:
                    raise UserError(
                        f'{name}: entry {number} is of the picture {entry["image_id"]}, which '
                        f'{ann_file} does not have; give the annotations that belong together'
                    )
        for number, entry in enumerate(data['annotations']):
            if lacking := [field for field in _FIELDS if entry.get(field) is None]:
                raise UserError(
                    f"{ann_file}: entry {number} lacks {', '.join(lacking)}, which COCO's metric "
                    'reads; tools/check_dataset.py says what to write'
                )
        annotated = {entry['category_id'] for entry in data['annotations']}
        if len(annotated) > 1:
            raise UserError(
                f'{ann_file}: the people are of the categories {sorted(annotated)}, but the model '
                'has one; join them first with tools/dataset_converters/merge_categories.py'
            )
        for number, entry in enumerate(self.predictions):
            if not _is_number(entry.get('score')):
                raise UserError(
                    f'{results_file}: entry {number} has no finite number as its `score`'
                )

    def _evaluate(
        self,
        keypoints: Sequence[Sequence[float]] | None,
        thresholds: Sequence[float] | None = None,
    ) -> COCOeval:
        """Run COCO's evaluation up to the matching, without the accumulation."""
        predictions = copy.deepcopy(self.predictions)
        if keypoints is not None:
            for entry, values in zip(predictions, keypoints, strict=True):
                entry['keypoints'] = list(values)
        for entry in predictions:  # without a box, COCO takes the area of the pose
            entry.pop('bbox', None)
            entry['category_id'] = self.category
        with contextlib.redirect_stdout(io.StringIO()):
            # pycocotools refuses a list without predictions.
            found = self.coco.loadRes(predictions) if predictions else COCO()
            evaluation = COCOeval(self.coco, found, 'keypoints')
            evaluation.params.kpt_oks_sigmas = self.sigmas
            # A file may list categories that nobody has, and COCO matches each category alone.
            evaluation.params.catIds = [self.category]
            if thresholds is not None:
                evaluation.params.iouThrs = np.asarray(thresholds)
            evaluation.evaluate()
        return evaluation

    @property
    def category(self) -> int:
        """The id of the category of the annotated people."""
        annotations = self.coco.dataset['annotations']
        return (annotations or [dict(category_id=1)])[0]['category_id']

    def average_precision(self, keypoints: Sequence[Sequence[float]] | None = None) -> float:
        """Compute COCO's AP over OKS 0.50 to 0.95.

        Args:
            keypoints (Sequence, optional): (n, 3K), keypoints that replace those of the
                predictions.

        Returns:
            float: AP from 0 to 1, or -1 if nobody is annotated.
        """
        evaluation = self._evaluate(keypoints)
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.accumulate()
            evaluation.summarize()
        return float(evaluation.stats[0])

    def match(self, oks: float) -> Match:
        """Match predictions with annotated people as COCO's metric does.

        Args:
            oks (float): The least OKS of a match.

        Returns:
            Match: Indices of ``predictions``, and the ids of the matched annotations.
        """
        person_of, ignored = {}, set()
        evaluation = self._evaluate(None, [oks])
        num_images = len(evaluation.params.imgIds)
        for entry in evaluation.evalImgs[:num_images]:  # the first range of areas is "all"
            if entry is None:
                continue
            # COCO numbers the predictions from 1 in the order of the list.
            for prediction, person, skipped in zip(
                entry['dtIds'], entry['dtMatches'][0], entry['dtIgnore'][0]
            ):
                if skipped:
                    ignored.add(prediction - 1)
                elif person > 0:
                    person_of[prediction - 1] = int(person)
        return Match(person_of, ignored)

    def people(self, image_id: int) -> list[dict]:
        """Return the annotated people of a picture whom COCO counts.

        These are not crowd regions, and their ``num_keypoints`` in the file is above 0.
        """
        annotations = self.coco.imgToAnns.get(image_id, [])
        return [a for a in annotations if not a['iscrowd'] and a['num_keypoints']]


def _complete(annotations: list[dict], num_keypoints: int, ann_file: str) -> bool:
    """Give annotations in place the fields that COCO's metric reads, where MMPose's does so.

    Returns:
        bool: Whether nobody has an area. Each then gets that of MMPose's ``use_area=False``.

    Raises:
        UserError: If a list of keypoints is no list.
    """
    if num_keypoints == sum(KEYPOINT_LISTS.values()):
        for number, entry in enumerate(annotations):
            for name in KEYPOINT_LISTS:
                if not isinstance(entry.get(name) or [], list):
                    raise UserError(f'{ann_file}: entry {number} has no list as its `{name}`')
            entry['keypoints'] = join_keypoints(entry)
    lacking = bool(annotations) and all(
        entry.get('area') is None and to_array(entry.get('bbox'), (4,)) is not None
        for entry in annotations
    )
    if lacking:
        for entry in annotations:
            entry['area'] = 0.53 * entry['bbox'][2] * entry['bbox'][3]
    return lacking


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _as_results(entries: object) -> object:
    """Turn the poses that :class:`~directpose.engine.PoseDump` wrote into COCO's results."""
    if not isinstance(entries, list) or not all(map(_is_dumped, entries)):
        return entries
    return [
        dict(
            person,
            image_id=entry['img_id'],
            category_id=1,
            keypoints=[number for x, y in person['keypoints'] for number in (x, y, 1)],
        )
        for entry in entries
        for person in entry['people']
    ]


def _is_dumped(entry: object) -> bool:
    """Whether an entry is a picture with its people, as ``PoseDump`` writes it."""
    if not isinstance(entry, dict) or 'img_id' not in entry:
        return False
    people = entry.get('people')
    return isinstance(people, list) and all(
        isinstance(person, dict)
        and isinstance(person.get('keypoints'), list)
        and all(isinstance(point, list) and len(point) == 2 for point in person['keypoints'])
        for person in people
    )


def _read_json(path: str):
    try:
        with open(path, encoding='utf-8') as file:
            return json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f'{path}: cannot be read as JSON: {error}') from error
