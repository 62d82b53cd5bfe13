"""Read videos frame by frame, and write videos that browsers play, with PyAV.

PyAV brings its own FFmpeg. A camera is read with OpenCV.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike, fspath
from typing import Any

import numpy as np
from PIL import Image, ImageOps

TIME_BASE = Fraction(1, 90_000)
"""The length of one tick of a written video's clock, in seconds."""

MAX_STEP = 3600
"""Seconds. If a frame comes later than this after the one before it, a new clock has started."""

MAX_PIXELS = 50_000_000
"""Larger frames are refused before they are decoded. 8K has 33 million; ten may wait at once."""

MAX_SIDE = 16_384
"""Pixels. x264 writes no frame that is wider or higher."""

STREAM_TIMEOUT = 15.0
"""Seconds that a stream may send nothing, when it is opened and between two packets."""

SOUNDS_OF_MP4 = frozenset({'aac', 'ac3', 'alac', 'eac3', 'flac', 'mp3', 'opus'})
"""Sound in these forms is copied into an MP4 file; other sound is encoded as AAC."""

SOUND_RATE = 48_000
"""Samples a second of encoded sound. AAC does not take every rate that a file may have."""


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


def import_av():
    """Import PyAV, or raise an ImportError that says how to install it."""
    try:
        import av
    except ImportError as error:
        raise ImportError("videos need PyAV: pip install 'directpose[video]'") from error
    av.logging.set_level(av.logging.FATAL)
    return av


def import_opencv():
    """Import OpenCV, or raise an ImportError that says how to install it."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError('a camera needs OpenCV: pip install opencv-python') from error
    return cv2


def _open(av, path: str):
    """Open a file or a stream to read, whose tags may be in any encoding."""
    timeout = STREAM_TIMEOUT if '://' in path else None
    return av.open(_address(path), metadata_errors='replace', timeout=timeout)


def _address(path: str) -> str:
    """Return the name by which FFmpeg opens a file or a stream."""
    # FFmpeg would take what stands before a colon, as in 10:30.mp4, for a protocol. A slash before
    # the colon prevents this.
    return path if '://' in path else os.path.abspath(path)


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
        VideoError: If the source cannot be read, is not a video, or has frames over the limit.
    """

    def __init__(self, source: str | PathLike) -> None:
        self._av = import_av()
        self.source = fspath(source)
        start = time.monotonic()
        try:
            self._container = _open(self._av, self.source)
        except (self._av.FFmpegError, OSError) as error:
            reason = getattr(error, 'strerror', None) or error
            if '://' in self.source and time.monotonic() - start >= STREAM_TIMEOUT:
                reason = f'there is no answer within {STREAM_TIMEOUT:g} seconds'
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
        self._frames = _frames(self._av, self._container, stream, self._skip)
        self.broken = 0

    def __iter__(self) -> Iterator[Frame]:
        last = -1 / self.rate
        for index, frame in enumerate(self._frames):
            has_time = frame.time is not None and math.isfinite(frame.time)
            last = float(frame.time if has_time else last + 1 / self.rate)
            image = frame.to_ndarray(format='bgr24')
            # degrees, counterclockwise; a phone that was held upright says -90
            turns = round(getattr(frame, 'rotation', 0) / 90) % 4
            yield Frame(np.ascontiguousarray(np.rot90(image, turns)), index, last)

    def _skip(self) -> None:
        self.broken += 1

    def close(self) -> None:
        self._container.close()


def _packets(av, container, stream, skip: Callable[[], None]) -> Iterator:
    """The packets of a track of an open file; skip is called where they break off."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError:  # the file is cut off, or the stream has ended
            skip()
            end = av.Packet()  # an empty packet gives the frames that the decoder still has
            end.stream = stream
            yield end
            return
        yield packet


def _frames(av, container, stream, skip: Callable[[], None]) -> Iterator:
    """The pictures or the sound of a track; skip is called for each piece that is broken."""
    for packet in _packets(av, container, stream, skip):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            skip()
            continue
        for frame in frames:
            if frame.is_corrupt:
                skip()
            else:
                yield frame


class Camera:
    """The frames of a camera, until it is closed.

    Args:
        index (int): The number of the camera; the first is 0.

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

    Attributes:
        broken (int): The number of pieces of the sound so far that were left out, because they
            could not be decoded or written. Sound that MP4 does not take counts as one.

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
        self._av = import_av()
        self._size, self._step = size, float(1 / rate)
        self._last_tick, self._shift = -1, 0.0
        self.broken = 0
        if sound_from is not None and not os.path.isfile(sound_from):
            sound_from = None
        try:
            self._open(path, rate, sound_from)
        except (self._av.FFmpegError, ValueError) as error:
            if sound_from is None or isinstance(error, OSError):
                raise
            self._skip()
            self._open(path, rate, None)

    def _open(self, path: str | PathLike, rate: Fraction, sound_from: str | PathLike | None):
        address = _address(fspath(path))
        self._container = self._av.open(address, 'w', options={'movflags': 'faststart'})
        self._stream = self._container.add_stream('libx264', rate=rate)
        self._stream.width, self._stream.height = (length + length % 2 for length in self._size)
        self._stream.pix_fmt = 'yuv420p'  # the only one that all browsers play
        self._stream.options = {'crf': '20', 'preset': 'veryfast'}
        self._stream.codec_context.time_base = TIME_BASE
        self._sound = None
        if sound_from is not None:
            self._sound = _Sound(self._av, fspath(sound_from), self._container, self._skip)
        self._container.start_encoding()

    def write(self, image: np.ndarray, time: float) -> None:
        """Add a frame.

        Args:
            image (np.ndarray): (H, W, 3) uint8, BGR. If the frame does not have the writer's size,
                the frame is resized to fit into the middle, and the rest is black.
            time (float): Seconds. If the time stands still, or goes back by a second at most, the
                frame gets the next possible time. Any other step back, and one forward of more than
                ``MAX_STEP``, means that a new clock has started, as where files were joined: the
                frame follows the one before it, and the rest of the sound is left out. A first
                frame later than a second, or before 0, is at 0, and the sound moves with it.
        """
        width, height = self._size
        if image.shape[:2] != (height, width):
            image = np.asarray(ImageOps.pad(Image.fromarray(image), self._size))
        wider, higher = self._stream.width - width, self._stream.height - height
        if wider or higher:
            image = np.pad(image, ((0, higher), (0, wider), (0, 0)), mode='edge')
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format='bgr24')
        last = float(self._last_tick * TIME_BASE)
        if self._last_tick < 0:
            self._shift = 0.0 if 0 <= time <= 1 else -time
            if self._sound is not None:
                self._sound.shift = self._shift
        elif not last - 1 <= time + self._shift <= last + MAX_STEP:
            self._shift = last + self._step - time
            if self._sound is not None:
                self._sound.stop()
        time += self._shift
        self._last_tick = max(round(time / TIME_BASE), self._last_tick + 1)
        frame.pts, frame.time_base = self._last_tick, TIME_BASE
        self._write_sound(until=time)
        self._mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what is left, and close the file."""
        self._mux(self._stream.encode(None))
        self._write_sound(until=float(self._last_tick * TIME_BASE) + 1)
        if self._sound is not None:
            self._mux(self._sound.close())
        self._container.close()

    def _write_sound(self, until: float) -> None:
        if self._sound is not None:
            for packets in self._sound.packets(until):
                self._mux(packets)

    def _mux(self, packets) -> None:
        try:
            self._container.mux(packets)
        except self._av.FFmpegError as error:
            # FFmpeg may refuse a piece of the sound later, together with a frame.
            if self._sound is None or isinstance(error, OSError):
                raise
            self._skip()

    def _skip(self) -> None:
        self.broken += 1


class _Sound:
    """The first sound track of a file, on its way into another one."""

    def __init__(self, av, path: str, output, skip: Callable[[], None]) -> None:
        self._input = _open(av, path)
        self._av, self._skip = av, skip
        self.shift = 0.0  # seconds by which the sound is moved
        self._ahead = None
        self._pieces: Iterator = iter(())
        self._encoder: Any = None  # of PyAV, which is imported only where a video is
        if not self._input.streams.audio:
            return
        track = self._input.streams.audio[0]
        if track.codec_context is None:
            raise ValueError('PyAV does not know the format of the sound')
        if track.codec_context.name in SOUNDS_OF_MP4:
            self._target = output.add_stream_from_template(track)
            self._pieces = self._copies(_packets(av, self._input, track, skip))
        else:
            self._encoder = output.add_stream(
                'aac', rate=SOUND_RATE, layout='mono' if track.channels == 1 else 'stereo'
            )
            self._pieces = _frames(av, self._input, track, skip)

    def packets(self, until: float) -> Iterator:
        """The sound up to a time in seconds, as packets of the other file."""
        while True:
            if self._ahead is None:
                self._ahead = next(self._pieces, None)
            if self._ahead is None or _seconds(self._ahead) + self.shift > until:
                return
            piece, self._ahead = self._ahead, None
            if self.shift and _tick(piece) is not None:
                if _seconds(piece) + self.shift < 0:
                    continue
                _move(piece, self.shift)
            if self._encoder is None:
                piece.stream = self._target
                yield [piece]
            else:
                yield self._encode(piece)

    def _copies(self, packets: Iterator) -> Iterator:
        """The packets that can be decoded. At a broken one, a browser would stop the video."""
        for packet in packets:
            if packet.dts is None:
                continue
            try:
                good = not any(frame.is_corrupt for frame in packet.decode())
            except self._av.FFmpegError:
                good = False
            if good:
                yield packet
            else:
                self._skip()

    def _encode(self, piece) -> list:
        try:
            return self._encoder.encode(piece)
        except (self._av.FFmpegError, ValueError):  # the sound changes its rate, for example
            self._skip()
            return []

    def stop(self) -> None:
        """Leave out the rest."""
        if self._ahead is not None:
            self._skip()
        self._pieces, self._ahead = iter(()), None

    def close(self) -> list:
        """Close the file that is read, and return the packets that the encoder still has."""
        self._input.close()
        return self._encode(None) if self._encoder is not None else []


def _move(piece, by: float) -> None:
    """Move a packet or a frame by a number of seconds, in place."""
    ticks = round(by / piece.time_base)
    if piece.pts is not None:
        piece.pts += ticks
    if piece.dts is not None:
        piece.dts += ticks


def _tick(piece) -> int | None:
    return piece.dts if piece.pts is None else piece.pts


def _seconds(piece) -> float:
    """The time of a packet or frame; 0, so that it is written at once, if the file lacks it."""
    tick = _tick(piece)
    return 0.0 if tick is None else float(tick * piece.time_base)
