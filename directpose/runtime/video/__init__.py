"""Read videos frame by frame, and write videos that browsers play, with PyAV.

A camera is read with OpenCV.
"""

from .camera import Camera, import_opencv
from .ffmpeg import import_av
from .reader import Frame, Video, VideoError
from .writer import MAX_SIDE, VideoWriter

__all__ = [
    'MAX_SIDE', 'Camera', 'Frame', 'Video', 'VideoError', 'VideoWriter', 'import_av',
    'import_opencv',
]  # fmt: skip
