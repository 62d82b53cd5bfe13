"""Poses on pictures, from a file that ``tools/deployment/export_onnx.py`` wrote."""

import os
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from os import PathLike
from typing import Any

import numpy as np

from directpose.errors import UserError
from directpose.geometry import short_side_resize

from .nms import nms
from .poses import Poses
from .read import read
from .session import check_count, find_model, open_session
from .settings import read_settings

_OUTPUTS = ('keypoints', 'scores', 'boxes')
_RATINGS = ('keypoint_scores', 'keypoints_hidden')
"""Further outputs of a file whose model rates keypoints."""


class DirectPose:
    """A trained model on ONNX Runtime.

    A model can be pickled and sent to worker processes, which open the file again.

    Args:
        model (str | PathLike): A file written by ``tools/deployment/export_onnx.py``, or the
            name of a model that comes with the package, such as ``'directpose-tiny'``.
        score_thr (float, optional): The least score of the people that are returned.
            Defaults to the config's ``model.test_cfg.score_thr``, which the file keeps.
        providers (Sequence): ONNX Runtime's execution providers: a name, or a list of names, or of
            tuples of a name and its options. Defaults to the CPU's.
        threads (int, optional): Threads that one operator may use. Defaults to the number of
            processors that this process may use.
        session_options (Mapping, optional): More attributes of ONNX Runtime's
            ``SessionOptions`` by name, and entries of its configuration, such as
            ``{'session.intra_op.allow_spinning': '0'}``.

    Raises:
        ImportError: If Pillow or ONNX Runtime is not installed.
        ValueError: If there is no such file or name, if the file was written by something else,
            if a provider or an option does not exist here, or if the threshold is not from 0 to 1.

    Example:
        >>> from directpose.runtime import DirectPose
        >>> model = DirectPose('directpose-tiny')
        >>> keypoints, scores, boxes = model('directpose/examples/people_1.jpg')
        >>> keypoints.shape[1:], boxes.shape[1:]
        ((17, 2), (4,))
    """

    def __init__(
        self,
        model: str | PathLike,
        score_thr: float | None = None,
        providers: Sequence = ('CPUExecutionProvider',),
        threads: int | None = None,
        session_options: Mapping[str, Any] | None = None,
    ) -> None:
        if score_thr is not None and not (isinstance(score_thr, Real) and 0 <= score_thr <= 1):
            raise ValueError(f'score_thr must be a number from 0 to 1, but is {score_thr!r}')
        self.path = os.path.abspath(find_model(model))  # a copy may be opened in another folder
        self._session_arguments: dict[str, Any] = dict(
            providers=_as_list(providers),
            threads=threads,
            options=dict(session_options or {}),
        )
        self._session = open_session(self.path, **self._session_arguments)
        self._settings = read_settings(self.path, self._session.get_modelmeta().custom_metadata_map)
        outputs = self._session.get_outputs()
        shapes = {name: _fixed_sizes(self.path, outputs, name) for name in _OUTPUTS}
        number, names = shapes['keypoints'][2], self._settings['keypoint_names']
        if number not in (None, len(names)):
            raise ValueError(
                f'{self.path}: its metadata name {len(names)} keypoints, and its output has '
                f'{number}; export the model again with tools/deployment/export_onnx.py'
            )
        written = [output.name for output in outputs]
        self._outputs = [*_OUTPUTS, *(name for name in _RATINGS if name in written)]
        self._fixed = _fixed_sizes(self.path, self._session.get_inputs(), 'images')
        self.score_thr = self._settings['score_thr'] if score_thr is None else score_thr
        self.keypoint_names: list[str] = self._settings['keypoint_names']
        """K names, in the order of the keypoints."""
        self.keypoint_sigmas: list[float] | None = self._settings['keypoint_sigmas']
        """The sigma of OKS of each of the K keypoints, from the metainfo; None in older files."""
        self.skeleton_links: list[list[int]] = self._settings['skeleton_links']
        """Pairs of keypoint indices to draw lines between."""

    @property
    def rates_keypoints(self) -> bool:
        """Whether each keypoint has a score, and a probability of being hidden."""
        return set(_RATINGS) <= set(self._outputs)

    def __getstate__(self) -> dict:
        return {name: value for name, value in vars(self).items() if name != '_session'}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._session = open_session(self.path, **self._session_arguments)

    def __call__(self, picture) -> Poses:
        """Find the poses of one picture.

        Args:
            picture (str | PathLike | np.ndarray | PIL.Image.Image): As in :func:`read`: a file,
                an array (BGR or grey), or a PIL picture.

        Returns:
            Poses: In pixels of the picture. The arrays are empty if nobody is found.

        Raises:
            ValueError: If ``picture`` is not a picture.
        """
        return self.predict([picture])[0]

    def predict(self, pictures: Sequence, batch_size: int = 8) -> list[Poses]:
        """Find the poses of several pictures. Each picture has the same poses as alone.

        Pictures share a batch only if none has to be padded to the size of another, because the
        network's group normalisation sees padding.

        Args:
            pictures (Sequence): Files, arrays or PIL pictures, as for a call; of any sizes.
            batch_size (int): The largest number of pictures in a batch. A file for batches of a
                fixed size keeps to that size. Defaults to 8.

        Returns:
            list[Poses]: In the order of the pictures.

        Raises:
            ValueError: If ``pictures`` is not a list, if one of them is not a picture, or if the
                file is for inputs of another size only (this one is a ``UserError``).
        """
        one = isinstance(pictures, str) or getattr(pictures, 'ndim', 4) < 4
        if one or not isinstance(pictures, Iterable):
            raise ValueError(
                'predict takes a list of pictures; for one picture, call the model: model(picture)'
            )
        batch_size = check_count('batch_size', batch_size)
        batch_size = self._fixed[0] or batch_size
        images = [read(picture) for picture in pictures]
        groups = defaultdict(list)
        for index, image in enumerate(images):
            groups[self._padded_shape(self._input_size(image))].append(index)
        poses: dict[int, Poses] = {}
        for shape, members in groups.items():
            for start in range(0, len(members), batch_size):
                batch = members[start : start + batch_size]
                found = self._predict_batch([images[index] for index in batch], shape)
                for index, one in zip(batch, found):
                    poses[index] = one
        return [poses[index] for index in range(len(images))]

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

    def inputs(self, picture) -> dict[str, np.ndarray]:
        """Make the inputs of the network for one picture, for calibration and profiling.

        Args:
            picture (str | PathLike | np.ndarray | PIL.Image.Image): As for a call.

        Returns:
            dict[str, np.ndarray]: The inputs of the file by name: ``images`` (1, 3, H, W)
            float32 in BGR from 0 to 255, ``image_sizes`` (1, 2) and ``score_thr`` (1, ).

        Raises:
            ValueError: If ``picture`` is not a picture.
        """
        image = read(picture)
        size = self._input_size(image)
        return self._batch([image], [size], self._padded_shape(size))

    def _batch(
        self,
        images: Sequence[np.ndarray],
        sizes: Sequence[tuple[int, int]],
        shape: tuple[int, int],
    ) -> dict[str, np.ndarray]:
        """The pictures at their sizes (width, height), padded to a shape (height, width)."""
        inputs = np.zeros((len(images), 3, *shape), dtype=np.float32)
        for padded, image, size in zip(inputs, images, sizes):
            width, height = size
            padded[:, :height, :width] = _resize(image, size).transpose(2, 0, 1)
        return dict(
            images=inputs,
            image_sizes=np.array([(height, width) for width, height in sizes], dtype=np.int64),
            score_thr=np.array([self.score_thr], dtype=np.float32),
        )

    def _predict_batch(self, images: Sequence[np.ndarray], shape: tuple[int, int]) -> list[Poses]:
        sizes = [self._input_size(image) for image in images]
        self._check_fixed(shape)
        missing = (self._fixed[0] or 0) - len(images)  # in a file for batches of one size
        filled = [*images, *[images[-1]] * missing], [*sizes, *[sizes[-1]] * missing]
        outputs = self._session.run(self._outputs, self._batch(*filled, shape))
        return [
            self._to_poses(image, size, dict(zip(self._outputs, one)))
            for image, size, one in zip(images, sizes, zip(*outputs))
        ]

    def _check_fixed(self, shape: tuple[int, int]) -> None:
        """Refuse an input whose height or width is not that of the file, where it is fixed.

        Raises:
            UserError: If the file is for inputs of another size.
        """
        wanted = self._fixed[2:]
        if any(size not in (None, given) for size, given in zip(wanted, shape)):
            sides = ' x '.join('any' if size is None else str(size) for size in wanted)
            raise UserError(
                f'{self.path}: the sizes of this file are fixed, at inputs of {sides} pixels '
                f'(height x width), and this picture needs {shape[0]} x {shape[1]}; give pictures '
                'of the proportions of the file, or a file whose sizes are not fixed'
            )

    def _to_poses(self, image: np.ndarray, size: tuple[int, int], rows: dict[str, Any]) -> Poses:
        """Poses of a picture from the rows of its outputs, without the rows that hold no person."""
        finite = np.ones(len(rows['scores']), dtype=bool)
        for field in rows.values():
            finite &= np.isfinite(field).all(axis=tuple(range(1, field.ndim)))
        found = ~(rows['scores'] < 0)  # NaN is no score, but its row is not an empty one
        if not finite[found].all():  # half precision, for one, may overflow
            warnings.warn(
                f'{self.path}: poses whose coordinates or scores are not finite (NaN or infinite) '
                'are left out; export the model again, in single precision',
                RuntimeWarning,
                stacklevel=2,
            )
        poses = Poses(**rows).select(found & finite)
        if self._settings['nms'] is not None:
            poses = poses.select(nms(poses.boxes, poses.scores, **self._settings['nms']))
        height, width = image.shape[:2]
        scale = np.array([size[0] / width, size[1] / height], dtype=np.float32)
        return poses.replace(
            keypoints=poses.keypoints / scale,
            boxes=poses.boxes / np.tile(scale, 2),
            size=(width, height),
            keypoint_names=self.keypoint_names,
            skeleton_links=self.skeleton_links,
        )


def _as_list(providers: Sequence) -> list:
    """The providers as a list.

    Raises:
        ValueError: If this is no name and no list.
    """
    if isinstance(providers, str):
        return [providers]
    if not isinstance(providers, Sequence):
        raise ValueError(f'providers must be a list of names, but is {providers!r}')
    return list(providers)


def _fixed_sizes(path: str, values: Sequence, name: str) -> list[int | None]:
    """The first four lengths of an input or output of a file; None where a length is not fixed.

    Raises:
        ValueError: If there is no input or output of this name.
    """
    for value in values:
        if value.name == name:
            sizes = [*(value.shape or ()), None, None, None, None][:4]
            return [size if isinstance(size, int) else None for size in sizes]
    raise ValueError(
        f'{path}: this file has no {name}; export the model again with '
        'tools/deployment/export_onnx.py'
    )


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture at a width and height, by the filter that the network was trained with."""
    from PIL import Image

    if (image.shape[1], image.shape[0]) == size:
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
