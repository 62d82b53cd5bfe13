"""Poses on pictures, from a file that ``tools/deployment/export_onnx.py`` wrote."""

import json
from collections import defaultdict
from collections.abc import Sequence
from os import PathLike, fspath
from typing import NamedTuple

import numpy as np

from directpose.geometry import short_side_resize

from .nms import nms

METADATA_KEY = 'directpose'
"""Under this key the file keeps, as JSON, what surrounds the network."""


class Poses(NamedTuple):
    """The people of one picture, best first, in pixels of the picture."""

    keypoints: np.ndarray
    """(n, K, 2) float32, x first; they may lie outside of the picture."""
    scores: np.ndarray
    """(n, ) float32."""
    boxes: np.ndarray
    """(n, 4) float32 as x1, y1, x2, y2."""


class DirectPose:
    """A trained model on ONNX Runtime.

    ::

        keypoints, scores, boxes = DirectPose('model.onnx')(bgr_image)

    Args:
        path (str | PathLike): A file written by ``tools/deployment/export_onnx.py``.
        score_thr (float, optional): Only people whose classification score is above it.
            Defaults to the config's ``model.test_cfg.score_thr``, which the file keeps.
        providers (Sequence): ONNX Runtime's execution providers. Defaults to the CPU's.

    Raises:
        ImportError: If Pillow or ONNX Runtime is not installed.
        ValueError: If the file was written by something else.
    """

    def __init__(
        self,
        path: str | PathLike,
        score_thr: float | None = None,
        providers: Sequence = ('CPUExecutionProvider',),
    ) -> None:
        try:
            import onnxruntime
            import PIL  # noqa: F401
        except ImportError as error:
            raise ImportError(
                f"{error.name} is not installed; pip install 'directpose[runtime]'"
            ) from error
        self._session = onnxruntime.InferenceSession(fspath(path), providers=list(providers))
        metadata = self._session.get_modelmeta().custom_metadata_map
        if METADATA_KEY not in metadata:
            raise ValueError(
                f'{path} was not written by tools/deployment/export_onnx.py: it lacks '
                f'the metadata "{METADATA_KEY}"; export the model with that tool'
            )
        self._settings = json.loads(metadata[METADATA_KEY])
        self.score_thr = self._settings['score_thr'] if score_thr is None else score_thr
        self.keypoint_names: list[str] = self._settings['keypoint_names']
        """K names, in the order of the keypoints."""
        self.skeleton_links: list[list[int]] = self._settings['skeleton_links']
        """Pairs of keypoint indices to draw lines between."""

    def __call__(self, image: np.ndarray) -> Poses:
        """Poses of one picture.

        Args:
            image (np.ndarray): (H, W, 3) uint8, BGR, as OpenCV reads it.

        Returns:
            Poses: In pixels of the picture; empty arrays where nobody is found.

        Raises:
            ValueError: If the array is no such picture.
        """
        return self.predict([image])[0]

    def predict(self, images: Sequence[np.ndarray], batch_size: int = 8) -> list[Poses]:
        """Poses of several pictures, as each of them alone would have.

        Pictures share a batch where none has to be padded to the size of another: the network's
        group normalisation sees padding.

        Args:
            images (Sequence[np.ndarray]): (H, W, 3) uint8, BGR; of any sizes.
            batch_size (int): So many pictures at once, at most. Defaults to 8.

        Returns:
            list[Poses]: In the order of the pictures.

        Raises:
            ValueError: If an array is no such picture.
        """
        groups = defaultdict(list)
        for index, image in enumerate(images):
            _check_image(image, index)
            groups[self._padded_shape(self._input_size(image))].append(index)
        poses = [None] * len(images)
        for shape, members in groups.items():
            for start in range(0, len(members), batch_size):
                batch = members[start : start + batch_size]
                found = self._predict_batch([images[index] for index in batch], shape)
                for index, one in zip(batch, found):
                    poses[index] = one
        return poses

    def _input_size(self, image: np.ndarray) -> tuple[int, int]:
        """Width and height that the picture is resized to."""
        height, width = image.shape[:2]
        return short_side_resize(
            (width, height), self._settings['short_side'], self._settings['max_long_side']
        )

    def _padded_shape(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of a batch for pictures of this width and height."""
        divisor = self._settings['pad_size_divisor']
        width, height = (-(-pixels // divisor) * divisor for pixels in size)
        return height, width

    def _predict_batch(self, images: Sequence[np.ndarray], shape: tuple[int, int]) -> list[Poses]:
        inputs = np.zeros((len(images), 3, *shape), dtype=np.float32)
        sizes = [self._input_size(image) for image in images]
        for padded, image, size in zip(inputs, images, sizes):
            width, height = size
            padded[:, :height, :width] = _resize(image, size).transpose(2, 0, 1)
        outputs = self._session.run(
            ['keypoints', 'scores', 'boxes'],
            dict(
                images=inputs,
                image_sizes=np.array([(height, width) for width, height in sizes]),
                score_thr=np.array([self.score_thr], dtype=np.float32),
            ),
        )
        return [self._to_poses(*one) for one in zip(images, sizes, *outputs)]

    def _to_poses(
        self,
        image: np.ndarray,
        size: tuple[int, int],
        keypoints: np.ndarray,
        scores: np.ndarray,
        boxes: np.ndarray,
    ) -> Poses:
        """Poses of a picture from the rows of its outputs, of which some only fill up."""
        found = scores >= 0
        keypoints, scores, boxes = keypoints[found], scores[found], boxes[found]
        if self._settings['nms'] is not None:
            keep = nms(boxes, scores, **self._settings['nms'])
            keypoints, scores, boxes = keypoints[keep], scores[keep], boxes[keep]
        height, width = image.shape[:2]
        scale = np.array([size[0] / width, size[1] / height], dtype=np.float32)
        return Poses(keypoints / scale, scores, boxes / np.tile(scale, 2))


def _check_image(image: np.ndarray, index: int) -> None:
    if not isinstance(image, np.ndarray):
        raise ValueError(
            f'image {index} is {type(image).__name__}; give an array of (H, W, 3) uint8 in BGR'
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(
            f'image {index} is an array of {image.shape} {image.dtype}; give one of '
            '(H, W, 3) uint8 in BGR'
        )


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture at a width and height, by the filter that the network was trained with."""
    from PIL import Image

    if (image.shape[1], image.shape[0]) == size:
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
