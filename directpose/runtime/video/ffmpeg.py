"""What reading and writing videos share: PyAV, which brings its own FFmpeg."""

import os
from collections.abc import Callable, Iterator

STREAM_TIMEOUT = 15.0
"""Seconds that a stream may send nothing, when it is opened and between two packets."""


def import_av():
    """Import PyAV, or raise an ImportError that says how to install it."""
    try:
        import av
    except ImportError as error:
        raise ImportError("videos need PyAV: pip install 'directpose[video]'") from error
    av.logging.set_level(av.logging.FATAL)
    return av


def open_input(av, path: str):
    """Open a file or a stream to read, whose tags may be in any encoding."""
    timeout = STREAM_TIMEOUT if '://' in path else None
    return av.open(address(path), metadata_errors='replace', timeout=timeout)


def address(path: str) -> str:
    """Return the name by which FFmpeg opens a file or a stream."""
    # FFmpeg would take what stands before a colon, as in 10:30.mp4, for a protocol. A slash before
    # the colon prevents this.
    return path if '://' in path else os.path.abspath(path)


def duration(container) -> float:
    """Seconds that an open file says its pictures last, or 0 if it does not say it."""
    (stream, *_) = container.streams.video
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    if len(container.streams) > 1:  # the sound may last longer
        return 0.0
    return (container.duration or 0) / 1_000_000


def packets(av, container, stream, skip: Callable[[], None]) -> Iterator:
    """The packets of a track of an open file; skip is called where they break off."""
    read = container.demux(stream)
    while True:
        try:
            packet = next(read)
        except StopIteration:
            return
        except av.FFmpegError:  # the file is cut off, or the stream has ended
            skip()
            end = av.Packet()  # an empty packet gives the frames that the decoder still has
            end.stream = stream
            yield end
            return
        yield packet


def frames(av, container, stream, skip: Callable[[], None]) -> Iterator:
    """The pictures or the sound of a track; skip is called for each piece that is broken."""
    for packet in packets(av, container, stream, skip):
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            skip()
            continue
        for frame in decoded:
            if frame.is_corrupt:
                skip()
            else:
                yield frame
