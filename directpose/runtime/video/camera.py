"""Read the frames of a camera, with OpenCV."""

import math
import time
from collections.abc import Iterator
from fractions import Fraction

from .reader import Frame, VideoError


def import_opencv():
    """Import OpenCV, or raise an ImportError that says how to install it."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError('a camera needs OpenCV: pip install opencv-python') from error
    return cv2


class Camera:
    """The frames of a camera, until it is closed or stops.

    Args:
        index (int): The number of the camera; the first is 0.

    Attributes:
        rate (Fraction): Frames a second; 30 if the camera does not say it.
        num_frames (int): 0, because a camera has no end.
        faults (list[tuple[str, int]]): What went wrong so far, for people, and how often.

    Raises:
        ImportError: If OpenCV is not installed.
        VideoError: If there is no such camera.
    """

    def __init__(self, index: int) -> None:
        cv2 = import_opencv()
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # lines of C++ otherwise
        try:
            self._capture = cv2.VideoCapture(index)
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not self._capture.isOpened():
            raise VideoError(
                f'camera {index} cannot be opened: it is not there, or another program uses it '
                '(the first camera is 0)'
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        if not 1 <= rate < math.inf:  # what drivers say that do not know: 0, -1, NaN
            rate = 30.0
        self.rate = Fraction(rate).limit_denominator(1001)
        self.num_frames = 0
        self.faults: list[tuple[str, int]] = []

    def __iter__(self) -> Iterator[Frame]:
        start, index = time.monotonic(), 0
        while True:
            good, image = self._capture.read()
            if not good:
                self.faults = [(f'the camera stopped after {index} frames', 1)]
                return
            yield Frame(image, index, time.monotonic() - start)
            index += 1

    def close(self) -> None:
        self._capture.release()
