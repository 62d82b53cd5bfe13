"""Read videos frame by frame, and write videos that browsers play, with PyAV.

PyAV brings its own FFmpeg. A camera is read with OpenCV.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike, fspath

import numpy as np

TIME_BASE = Fraction(1, 90_000)
"""Seconds to a tick of a written video's clock."""

SOUNDS_OF_MP4 = frozenset({'aac', 'ac3', 'alac', 'eac3', 'flac', 'mp3', 'opus'})
"""Sound in these forms is copied into an MP4 file; other sound is encoded as AAC."""


class VideoError(ValueError):
    """A video or camera that cannot be read. The message names it."""


@dataclass(frozen=True)
class Frame:
    """A frame of a video."""

    image: np.ndarray
    """(H, W, 3) uint8, BGR, upright."""
    index: int
    """Its number, from 0."""
    time: float
    """Seconds since the video's clock began."""


def _import_av():
    try:
        import av
    except ImportError as error:
        raise ImportError("videos need PyAV: pip install 'directpose[video]'") from error
    av.logging.set_level(av.logging.FATAL)
    return av


class Video:
    """The frames of a video file or a stream, one after the other.

    Args:
        source (str | PathLike): A file, or an address such as ``rtsp://...``.

    Attributes:
        rate (Fraction): Frames a second, on average.
        num_frames (int): The number of frames, or 0 if the file does not say it.
        broken (int): The number of pieces so far that could not be decoded and were skipped.

    Raises:
        ImportError: If PyAV is not installed.
        VideoError: If the source cannot be read, or is no video.
    """

    def __init__(self, source: str | PathLike) -> None:
        self._av = _import_av()
        self.source = fspath(source)
        try:
            self._container = self._av.open(self.source)
        except (self._av.FFmpegError, OSError) as error:
            reason = getattr(error, 'strerror', None) or error
            raise VideoError(f'{self.source}: the video cannot be read ({reason})') from error
        if not self._container.streams.video:
            self._container.close()
            raise VideoError(f'{self.source}: the file has no video')
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = 'AUTO'
        self.rate = self._stream.average_rate or Fraction(30)
        self.num_frames = self._stream.frames
        self.broken = 0

    def __iter__(self) -> Iterator[Frame]:
        index, last = 0, -1 / self.rate
        for packet in self._packets():
            try:
                frames = packet.decode()
            except self._av.FFmpegError:
                self.broken += 1
                continue
            for frame in frames:
                if getattr(frame, 'is_corrupt', False):
                    self.broken += 1
                    continue
                last = float(last + 1 / self.rate if frame.time is None else frame.time)
                image = frame.to_ndarray(format='bgr24')
                # degrees, counterclockwise; a phone that was held upright says -90
                turns = round(getattr(frame, 'rotation', 0) / 90) % 4
                yield Frame(np.ascontiguousarray(np.rot90(image, turns)), index, last)
                index += 1

    def _packets(self) -> Iterator:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except self._av.FFmpegError:  # the file is cut off, or the stream has ended
                self.broken += 1
                return
            yield packet

    def close(self) -> None:
        self._container.close()


class Camera:
    """The frames of a camera, until it is closed.

    Args:
        index (int): The number of the camera; the first is 0.

    Raises:
        ImportError: If OpenCV is not installed.
        VideoError: If there is no such camera.
    """

    def __init__(self, index: int) -> None:
        try:
            import cv2
        except ImportError as error:
            raise ImportError('a camera needs OpenCV: pip install opencv-python') from error
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
        self.rate = Fraction(self._capture.get(cv2.CAP_PROP_FPS) or 30).limit_denominator(1001)
        self.num_frames, self.broken = 0, 0

    def __iter__(self) -> Iterator[Frame]:
        start, index = time.monotonic(), 0
        while True:
            good, image = self._capture.read()
            if not good:
                return
            yield Frame(image, index, time.monotonic() - start)
            index += 1

    def close(self) -> None:
        self._capture.release()


class VideoWriter:
    """Write frames to an MP4 file with H.264, which browsers play.

    Args:
        path (str | PathLike): The file to write.
        size (tuple[int, int]): Width and height. An odd one grows by 1, as H.264 needs.
        rate (Fraction): Frames a second, on average. Each frame has its own time.
        sound_from (str | PathLike, optional): A file whose sound is kept, if it has any.

    Raises:
        ImportError: If PyAV is not installed.
        OSError: If the file cannot be written.
    """

    def __init__(
        self,
        path: str | PathLike,
        size: tuple[int, int],
        rate: Fraction,
        sound_from: str | PathLike | None = None,
    ) -> None:
        self._av = _import_av()
        self._container = self._av.open(fspath(path), 'w', options={'movflags': 'faststart'})
        self._stream = self._container.add_stream('libx264', rate=rate)
        self._stream.width, self._stream.height = (length + length % 2 for length in size)
        self._stream.pix_fmt = 'yuv420p'  # the only one that all browsers play
        self._stream.options = {'crf': '20', 'preset': 'veryfast'}
        self._stream.codec_context.time_base = TIME_BASE
        self._last_tick = -1
        self._sound = None
        if sound_from is not None and os.path.isfile(sound_from):
            self._sound = _Sound(self._av, fspath(sound_from), self._container)

    def write(self, image: np.ndarray, time: float) -> None:
        """Add a frame.

        Args:
            image (np.ndarray): (H, W, 3) uint8, BGR, of the writer's size.
            time (float): Seconds. The time must not go back. If it does not go forward, the frame
                gets the next possible time.
        """
        height, width = image.shape[:2]
        wider, higher = self._stream.width - width, self._stream.height - height
        if wider or higher:
            image = np.pad(image, ((0, higher), (0, wider), (0, 0)), mode='edge')
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format='bgr24')
        self._last_tick = max(round(time / TIME_BASE), self._last_tick + 1)
        frame.pts, frame.time_base = self._last_tick, TIME_BASE
        if self._sound is not None:
            self._sound.write(until=time)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what is left, and close the file."""
        self._container.mux(self._stream.encode(None))
        if self._sound is not None:
            self._sound.write(until=float(self._last_tick * TIME_BASE) + 1)
            self._sound.close()
        self._container.close()


class _Sound:
    """The first sound track of a file, on its way into another one."""

    def __init__(self, av, path: str, output) -> None:
        self._output = output
        self._input = av.open(path)
        self._ahead = None
        self._packets = iter(())
        self._encoder = None
        if not self._input.streams.audio:
            return
        track = self._input.streams.audio[0]
        if track.codec_context.name in SOUNDS_OF_MP4:
            self._target = output.add_stream_from_template(track)
            self._packets = (p for p in self._input.demux(track) if p.dts is not None)
        else:
            self._target = self._encoder = output.add_stream(
                'aac', rate=track.rate, layout='mono' if track.channels == 1 else 'stereo'
            )
            self._packets = self._input.decode(track)

    def write(self, until: float) -> None:
        """Add the sound up to a time in seconds."""
        while True:
            if self._ahead is None:
                self._ahead = next(self._packets, None)
            if self._ahead is None or float(self._ahead.pts * self._ahead.time_base) > until:
                return
            if self._encoder is not None:
                self._output.mux(self._encoder.encode(self._ahead))
            else:
                self._ahead.stream = self._target
                self._output.mux(self._ahead)
            self._ahead = None

    def close(self) -> None:
        if self._encoder is not None:
            self._output.mux(self._encoder.encode(None))
        self._input.close()
