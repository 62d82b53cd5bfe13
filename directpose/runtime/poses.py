"""The people of one picture, and what other programs read of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from directpose.drawing import draw_poses

from .read import read


class _Arrays(NamedTuple):
    keypoints: np.ndarray
    """(n, K, 2) float32, x first; they may lie outside of the picture."""
    scores: np.ndarray
    """(n, ) float32."""
    boxes: np.ndarray
    """(n, 4) float32 as x1, y1, x2, y2."""


class Poses(_Arrays):
    """The people of one picture, best first, in pixels of the picture.

    It is a tuple of three arrays: ``keypoints, scores, boxes = poses``.

    Args:
        keypoints (np.ndarray): (n, K, 2), x first. They may lie outside of the picture.
        scores (np.ndarray): (n, ).
        boxes (np.ndarray): (n, 4) as x1, y1, x2, y2.
        size (tuple[int, int], optional): Width and height of the picture.
        keypoint_names (Sequence[str]): K names. Defaults to none.
        skeleton_links (Sequence): Pairs of keypoint indices to draw lines between.
        identities (np.ndarray, optional): (n, ) int64. In a video a person has one number in
            all frames.
        keypoint_scores (np.ndarray, optional): (n, K), how good each keypoint is, from 0 to 1.
            None if the model does not rate keypoints.
        keypoints_hidden (np.ndarray, optional): (n, K), the probability that a keypoint is
            hidden. None where the model does not rate keypoints.
    """

    size: tuple[int, int] | None
    keypoint_names: Sequence[str]
    skeleton_links: Sequence[Sequence[int]]
    identities: np.ndarray | None
    keypoint_scores: np.ndarray | None
    keypoints_hidden: np.ndarray | None

    def __new__(
        cls,
        keypoints: np.ndarray,
        scores: np.ndarray,
        boxes: np.ndarray,
        size: tuple[int, int] | None = None,
        keypoint_names: Sequence[str] = (),
        skeleton_links: Sequence[Sequence[int]] = (),
        identities: np.ndarray | None = None,
        keypoint_scores: np.ndarray | None = None,
        keypoints_hidden: np.ndarray | None = None,
    ) -> 'Poses':
        poses = super().__new__(cls, keypoints, scores, boxes)
        # JSON does not take numpy's integers.
        poses.size = None if size is None else (int(size[0]), int(size[1]))
        poses.keypoint_names = keypoint_names
        poses.skeleton_links = skeleton_links
        poses.identities = identities
        poses.keypoint_scores = keypoint_scores
        poses.keypoints_hidden = keypoints_hidden
        return poses

    def replace(self, **changes) -> 'Poses':
        """A copy with some fields changed, named as the arguments of the class."""
        return Poses(**{**self._asdict(), **vars(self), **changes})

    _replace = replace  # that of a named tuple would lose all that is not one of the three arrays

    def select(self, people: np.ndarray) -> 'Poses':
        """Some of the people.

        Args:
            people (np.ndarray): (n, ) bool, or indices of people.
        """
        names = (*self._fields, 'identities', 'keypoint_scores', 'keypoints_hidden')
        fields = {name: getattr(self, name) for name in names}
        return self.replace(**{k: v[people] for k, v in fields.items() if v is not None})

    @property
    def visibility(self) -> np.ndarray:
        """(n, K) int64, as in COCO's annotations: 1 for keypoints that seem hidden, else 2."""
        if self.keypoints_hidden is None:
            return np.full(self.keypoints.shape[:2], 2)
        return np.where(self.keypoints_hidden > 0.5, 1, 2)

    def to_dict(self) -> dict:
        """Convert the people to plain lists and numbers, which ``json`` can write.

        Returns:
            dict: ``width`` and ``height`` of the picture, ``keypoint_names``, and ``people``: for
            each person ``score``, ``box``, ``keypoints`` as [[x, y], ...], ``id`` in a video, and
            ``keypoint_scores`` and ``keypoints_hidden`` where the model rates keypoints.
        """
        width, height = self.size or (None, None)
        people = []
        for i, (keypoints, score, box) in enumerate(zip(*self)):
            person = dict(score=_number(score, 4), box=_numbers(box))
            person['keypoints'] = [_numbers(point) for point in keypoints]
            for name in ('keypoint_scores', 'keypoints_hidden'):
                if getattr(self, name) is not None:
                    person[name] = [_number(value, 4) for value in getattr(self, name)[i]]
            if self.identities is not None:
                person['id'] = int(self.identities[i])
            people.append(person)
        return dict(
            width=width, height=height, keypoint_names=list(self.keypoint_names), people=people
        )

    def to_coco(self, image_id: int = 1, category_id: int = 1, first_id: int = 1) -> list[dict]:
        """Convert the people to annotations in COCO's format, each with a score.

        pycocotools' ``loadRes`` takes the list as results. :func:`coco_file` makes a whole file
        of such lists.

        Args:
            image_id (int): The id of the picture. Defaults to 1.
            category_id (int): The id of the category. Defaults to 1.
            first_id (int): The id of the first annotation. Defaults to 1.

        Returns:
            list[dict]: One annotation for each person. v is 1 for keypoints that seem hidden, and
            2 for all others.
        """
        annotations, visibility = [], self.visibility
        for i, (keypoints, score, (x1, y1, x2, y2)) in enumerate(zip(*self)):
            width, height = max(x2 - x1, 0), max(y2 - y1, 0)
            annotation = dict(
                id=int(first_id + i),  # JSON does not take numpy's numbers
                image_id=int(image_id),
                category_id=int(category_id),
                keypoints=[
                    number
                    for (x, y), v in zip(keypoints, visibility[i])
                    for number in (_number(x), _number(y), int(v))
                ],
                num_keypoints=len(keypoints),
                segmentation=[],
                score=_number(score, 4),
                bbox=_numbers([x1, y1, width, height]),
                area=_number(width * height),
                iscrowd=0,
            )
            if self.identities is not None:
                annotation['track_id'] = int(self.identities[i])
            annotations.append(annotation)
        return annotations

    def to_yolo(self) -> str:
        """Convert the people to lines of a YOLO-pose label file, which has no scores.

        Returns:
            str: A line for each person: class 0, then the box as centre x, centre y, width and
            height, then x, y and v for each keypoint. Lengths are divided by the picture's size.
            v is 1 for a keypoint that seems hidden, and else 2. A keypoint outside of the picture
            is 0, 0, 0.

        Raises:
            ValueError: If the size of the picture is not known.
        """
        if self.size is None:
            raise ValueError('to_yolo needs the size of the picture: set `size` of Poses')
        size = np.array(self.size, dtype=np.float64)
        lines = []
        for keypoints, box, visibility in zip(self.keypoints, self.boxes, self.visibility):
            corners = (box.reshape(2, 2) / size).clip(0, 1)
            points = keypoints / size
            inside = ((points >= 0) & (points <= 1)).all(axis=1)
            row = [*corners.mean(axis=0), *(corners[1] - corners[0])]
            words = ['0', *(f'{value:.6f}' for value in row)]
            for (x, y), v, seen in zip(points, visibility, inside):
                words += [f'{x:.6f}', f'{y:.6f}', f'{v}'] if seen else ['0', '0', '0']
            lines.append(' '.join(words) + '\n')
        return ''.join(lines)

    def to_supervision(self):
        """Convert the people to ``supervision.KeyPoints`` of the package ``supervision``.

        Returns:
            supervision.KeyPoints: Each keypoint has its own score if the model rates keypoints,
            and else the score of its person.

        Raises:
            ImportError: If supervision is not installed.
        """
        try:
            import supervision
        except ModuleNotFoundError as error:
            if error.name != 'supervision':
                raise
            raise ImportError(
                "to_supervision needs supervision: pip install 'directpose[supervision]'"
            ) from error
        if not len(self.scores):
            return supervision.KeyPoints.empty()
        confidence = self.keypoint_scores
        if confidence is None:
            confidence = np.repeat(self.scores[:, None], self.keypoints.shape[1], axis=1)
        return supervision.KeyPoints(
            xy=self.keypoints,
            class_id=np.zeros(len(self.scores), dtype=int),
            keypoint_confidence=confidence,
            detection_confidence=self.scores,
        )

    def draw(
        self,
        image: np.ndarray,
        boxes: bool = False,
        scores: bool = False,
        kpt_thr: float = 0.0,
    ) -> np.ndarray:
        """Draw the people.

        Args:
            image (np.ndarray): An array of uint8, as a call of the model takes it: (H, W, 3) in
                BGR, (H, W, 4) in BGRA, (H, W) or (H, W, 1) in grey.
            boxes (bool): Whether to draw the boxes. Defaults to False.
            scores (bool): Whether to write the scores. Defaults to False.
            kpt_thr (float): Keypoints with a lower score are left out, and so are the lines that
                end there. Defaults to 0, which draws all keypoints.

        Returns:
            np.ndarray: A new picture, (H, W, 3) uint8, BGR.

        Raises:
            ValueError: If ``image`` is no such array, or if ``kpt_thr`` is above 0, and the model
                does not rate keypoints.
        """
        visibility = self.visibility
        if kpt_thr > 0:
            if self.keypoint_scores is None:
                raise ValueError(
                    'kpt_thr needs the scores of keypoints, and this model does not rate keypoints'
                )
            visibility = np.where(self.keypoint_scores >= kpt_thr, visibility, 0)
        labels = [''] * len(self.scores)
        if self.identities is not None:
            labels = [f'{identity} ' for identity in self.identities]
        if scores:
            labels = [f'{label}{score:.2f}' for label, score in zip(labels, self.scores)]
        return draw_poses(
            read(image),
            self.keypoints,
            self.skeleton_links,
            self.keypoint_names or [''] * self.keypoints.shape[1],
            visibility=visibility,
            boxes=self.boxes if boxes else None,
            labels=[label.strip() for label in labels] if any(labels) else None,
            identities=None if self.identities is None else self.identities.tolist(),
        )


def coco_category(keypoint_names: Sequence[str], skeleton_links: Sequence[Sequence[int]]) -> dict:
    """The category ``person`` of a file in COCO's format, where links count from 1."""
    links = [[a + 1, b + 1] for a, b in skeleton_links]
    return dict(id=1, name='person', keypoints=list(keypoint_names), skeleton=links)


def coco_file(pictures: Sequence[tuple[str, Poses]]) -> dict:
    """Make the content of a COCO file: pictures and their sizes, keypoint names, annotations.

    pycocotools reads the file as ground truth. ``loadRes`` takes its list ``annotations`` as
    results. Annotation tools such as CVAT import the file as "COCO Keypoints".

    Args:
        pictures (Sequence): File name and poses of each picture.

    Returns:
        dict: The content, which ``json.dump`` can write.

    Raises:
        ValueError: If the size of a picture is not known.
    """
    images: list[dict] = []
    annotations: list[dict] = []
    category = coco_category((), ())
    for image_id, (file_name, poses) in enumerate(pictures, start=1):
        if poses.size is None:
            raise ValueError(f'{file_name}: its size is not known; set `size` of Poses')
        width, height = poses.size
        images.append(dict(id=image_id, file_name=file_name, width=width, height=height))
        annotations += poses.to_coco(image_id, first_id=len(annotations) + 1)
        category = coco_category(poses.keypoint_names, poses.skeleton_links)
    return dict(images=images, annotations=annotations, categories=[category])


def _number(value: float, digits: int = 2) -> float:
    return round(float(value), digits)


def _numbers(values: Sequence[float]) -> list[float]:
    return [_number(value) for value in values]
