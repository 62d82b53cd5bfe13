"""Bring the sound of a video into another one."""

from collections.abc import Callable, Iterator
from typing import Any

from .ffmpeg import frames, open_input, packets

SOUNDS_OF_MP4 = frozenset({'aac', 'ac3', 'alac', 'eac3', 'flac', 'mp3', 'opus'})
"""Sound in these forms is copied into an MP4 file; other sound is encoded as AAC."""

SOUND_RATE = 48_000
"""Samples a second of encoded sound. AAC does not take every rate that a file may have."""


class Sound:
    """The first sound track of a file, on its way into another one."""

    def __init__(self, av, path: str, output, skip: Callable[[], None]) -> None:
        self._input = open_input(av, path)
        self._av, self._skip = av, skip
        self.shift = 0.0  # seconds by which the sound is moved
        self._ahead = None
        self._pieces: Iterator = iter(())
        self._encoder: Any = None  # PyAV's
        if not self._input.streams.audio:
            return
        track = self._input.streams.audio[0]
        if track.codec_context is None:
            raise ValueError('PyAV does not know the format of the sound')
        if track.codec_context.name in SOUNDS_OF_MP4:
            self._target = output.add_stream_from_template(track)
            self._pieces = self._copies(packets(av, self._input, track, skip))
        else:
            self._encoder = output.add_stream(
                'aac', rate=SOUND_RATE, layout='mono' if track.channels == 1 else 'stereo'
            )
            self._pieces = frames(av, self._input, track, skip)

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

    def _copies(self, pieces: Iterator) -> Iterator:
        """The packets that can be decoded. At a broken one, a browser would stop the video."""
        for packet in pieces:
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
