"""Read the frames of videos and streams."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike, fspath

import numpy as np

from directpose.errors import UserError

from . import ffmpeg

MAX_PIXELS = 50_000_000
"""Larger frames are refused before they are decoded. 8K has 33 million; ten may wait at once."""


_REORDERED = 16
"""A frame may come this many frames after those that were stored behind it."""


_NAMED = 5
"""The places of so many lost frames are named."""


class VideoError(UserError):
    """A video or camera that cannot be read. The message names it."""


@dataclass(frozen=True)
class Frame:
    """A frame of a video."""

    image: np.ndarray
    """(H, W, 3) uint8, BGR, as players show it: turned upright, and its pixels are squares."""
    index: int
    """Its number, from 0. Frames before it that could not be decoded count too."""
    time: float
    """Seconds since the video's clock began."""


class Video:
    """The frames of a video file or a stream, one after the other.

    Args:
        source (str | PathLike): A file, or an address such as ``rtsp://...``.

    Attributes:
        rate (Fraction): Frames a second, on average.
        num_frames (int): The number of frames, or 0 if the file does not say it.
        broken (int): The number of pieces so far that could not be decoded and were skipped.
        faults (list[tuple[str, int]]): What went wrong so far, for people, and how often.

    Raises:
        ImportError: If PyAV is not installed.
        VideoError: If the source cannot be read, is not a video, or has frames over the limit.
    """

    def __init__(self, source: str | PathLike) -> None:
        self._av = ffmpeg.import_av()
        self.source = fspath(source)
        start = time.monotonic()
        try:
            self._container = ffmpeg.open_input(self._av, self.source)
        except (self._av.FFmpegError, OSError) as error:
            reason = getattr(error, 'strerror', None) or error
            if '://' in self.source and time.monotonic() - start >= ffmpeg.STREAM_TIMEOUT:
                reason = f'there is no answer within {ffmpeg.STREAM_TIMEOUT:g} seconds'
            raise VideoError(f'{self.source}: the video cannot be read ({reason})') from error
        if not self._container.streams.video:
            self._container.close()
            raise VideoError(f'{self.source}: the file has no video')
        stream = self._container.streams.video[0]
        if stream.codec_context is None:
            self._container.close()
            raise VideoError(f'{self.source}: PyAV does not know the format of the video')
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > MAX_PIXELS:
            self._container.close()
            raise VideoError(
                f'{self.source}: its frames have {width} x {height} pixels, more than the limit of '
                f'{MAX_PIXELS:,}; shrink the video'
            )
        stream.codec_context.options = {'max_pixels': str(MAX_PIXELS)}  # of frames that change size
        stream.thread_type = 'AUTO'
        self.rate = stream.average_rate or Fraction(30)
        self.num_frames = stream.frames
        self._pixel_aspect = stream.sample_aspect_ratio or Fraction(1)
        self._frames = ffmpeg.frames(self._av, self._container, stream, self._skip)
        self.broken = 0
        self._lost: list[float] = []  # seconds at which the first lost frames were due
        self._end = ''
        self._start = float((stream.start_time or 0) * stream.time_base)

    def __iter__(self) -> Iterator[Frame]:
        step = float(1 / self.rate)
        index, last, end = -1, self._start - step, self._start
        owed = waited = seen = 0  # lost frames whose gap has not come, and frames since then
        for frame in self._frames:
            has_time = frame.time is not None and math.isfinite(frame.time)
            now = float(frame.time) if has_time else last + step
            owed, seen, waited = owed + self.broken - seen, self.broken, waited + 1
            # A broken piece leaves a gap, before one of the next frames. Without a broken piece, a
            # gap is a long frame.
            gap = max(min(owed, round((now - last) / step) - 1), 0)
            if gap and len(self._lost) <= _NAMED:
                self._lost.append(last + step)
            owed = owed - gap if waited <= _REORDERED else 0
            waited = 0 if gap or not owed else waited
            index += 1 + gap
            stays = float((frame.duration or 0) * (frame.time_base or 0))
            last, end = now, now + max(stays, step)
            width, height = _square_size(frame.width, frame.height, self._pixel_aspect)
            image = frame.to_ndarray(format='bgr24', width=width, height=height)
            matrix = bytes(frame.side_data.get('DISPLAYMATRIX') or b'')
            yield Frame(_upright(image, matrix), index, now)
        if index >= 0:
            self._look_for_end(end - self._start)

    def _skip(self) -> None:
        self.broken += 1

    def _look_for_end(self, shown: float) -> None:
        """See whether frames came for as many seconds as the file says that it has."""
        says = ffmpeg.duration(self._container)
        if '://' not in self.source and says - shown > max(0.5, 0.05 * says):
            self._end = (
                f'the file says that it lasts {says:.1f} s, but its pictures end after {shown:.1f} '
                's; it may be cut off'
            )

    @property
    def faults(self) -> list[tuple[str, int]]:
        faults = []
        if self.broken:
            places = ', '.join(f'{time:.2f}' for time in self._lost[:_NAMED])
            more = ' and later' if len(self._lost) > _NAMED else ''
            at = f', at {places} s{more}' if places else ''
            faults.append((f'{self.broken} of its pieces could not be decoded{at}', self.broken))
        return faults + [(self._end, 1)] * bool(self._end)

    def close(self) -> None:
        self._container.close()


def _square_size(width: int, height: int, pixel_aspect: Fraction) -> tuple[int, int]:
    """The size in square pixels of a frame whose pixels are ``pixel_aspect`` times wider than high.

    One side grows, none shrinks. The size stays the same where it would pass ``MAX_PIXELS``.
    """
    one = Fraction(1)
    wide, high = round(width * max(pixel_aspect, one)), round(height / min(pixel_aspect, one))
    return (wide, high) if wide * high <= MAX_PIXELS else (width, height)


def _upright(image: np.ndarray, matrix: bytes) -> np.ndarray:
    """Turn and mirror a picture by the display matrix of its video.

    Args:
        image (np.ndarray): (H, W, 3).
        matrix (bytes): Nine integers of 32 bits, of which the first five are a, b, 0, c, d: the
            pixel (x, y) is shown at (a x + c y, b x + d y), up to scale and shift. Empty if the
            video has no display matrix.
    """
    if matrix:
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5]
        if abs(b) > abs(a):  # x and y change places
            image, a, d = image.swapaxes(0, 1), c, b
        image = image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(image)
