"""Write videos that browsers play."""

import os
from fractions import Fraction
from os import PathLike, fspath

import numpy as np
from PIL import Image, ImageOps

from .ffmpeg import address, import_av
from .sound import Sound

TIME_BASE = Fraction(1, 90_000)
"""The length of one tick of a written video's clock, in seconds."""

MAX_STEP = 3600
"""Seconds. If a frame comes later than this after the one before it, a new clock has started."""

MAX_SIDE = 16_384
"""Pixels. x264 writes no frame that is wider or higher."""


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
        self._container = self._av.open(
            address(fspath(path)), 'w', options={'movflags': 'faststart'}
        )
        self._stream = self._container.add_stream('libx264', rate=rate)
        self._stream.width, self._stream.height = (length + length % 2 for length in self._size)
        self._stream.pix_fmt = 'yuv420p'  # the only one that all browsers play
        self._stream.options = {'crf': '20', 'preset': 'veryfast'}
        self._stream.codec_context.time_base = TIME_BASE
        self._sound = None
        if sound_from is not None:
            self._sound = Sound(self._av, fspath(sound_from), self._container, self._skip)
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
