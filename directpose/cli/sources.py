"""What ``directpose predict`` is given: pictures, folders, patterns, videos, cameras, streams."""

import glob
import os
from dataclasses import dataclass, field
from pathlib import Path

from directpose.pictures import find_pictures, result_names

VIDEO_ENDINGS = frozenset(
    '.3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .webm .wmv'.split()
)
"""Files are videos by these endings, in lower case."""


@dataclass
class Sources:
    """Pictures and videos, in the order in which they were named."""

    pictures: list[str] = field(default_factory=list)
    """Paths."""
    videos: list[str | int] = field(default_factory=list)
    """Paths, addresses, and numbers of cameras."""
    others: list[str] = field(default_factory=list)
    """Files of a folder that are neither pictures nor videos."""

    def names(self) -> list[str]:
        """A name for the results of each picture, then of each video; no two are the same."""
        labels = []
        for video in self.videos:
            if isinstance(video, int):
                labels.append(f'camera-{video}')
            else:
                labels.append('stream' if '://' in video else video)
        return result_names([*self.pictures, *labels])

    def paths_in_folder(self) -> dict[str, str]:
        """The path of each picture in the deepest folder that holds all pictures."""
        paths = {picture: os.path.abspath(picture) for picture in self.pictures}
        if not paths:
            return {}
        folder = os.path.commonpath([os.path.dirname(path) for path in paths.values()])
        return {
            picture: os.path.relpath(path, folder).replace(os.sep, '/')
            for picture, path in paths.items()
        }


def find_sources(arguments: list[str]) -> Sources:
    """Sort what was given into pictures and videos.

    Args:
        arguments (list[str]): Each one is a file, a folder (its pictures and videos, not those of
            folders in it), a pattern such as ``photos/*.jpg``, the number of a camera, or an
            address such as ``rtsp://...``.

    Returns:
        Sources: What was found, each file once.

    Raises:
        ValueError: If something does not exist, or if a folder or a pattern has no files to read.
    """
    found = Sources()
    for argument in arguments:
        if os.path.isdir(argument):
            pictures, others = find_pictures(argument)
            others = [os.path.join(argument, name) for name in others]
            videos = [path for path in others if _is_video(path) and not os.path.isdir(path)]
            if not pictures and not videos:
                raise ValueError(
                    f'{argument}: the folder has no pictures and no videos'
                    + _hint_at_folders(argument, others)
                )
            found.pictures += pictures
            found.videos += videos
            found.others += sorted(set(others) - set(videos))
        elif os.path.lexists(argument):
            (found.videos if _is_video(argument) else found.pictures).append(argument)
        elif argument.isdecimal():
            found.videos.append(int(argument))
        elif '://' in argument:
            found.videos.append(argument)
        elif glob.has_magic(argument):
            matches = sorted(glob.glob(argument, recursive=True))
            matches = [path for path in matches if not os.path.isdir(path)]
            if not matches:
                raise ValueError(f'{argument}: no file matches this pattern')
            for path in matches:
                (found.videos if _is_video(path) else found.pictures).append(path)
        else:
            raise ValueError(f'{argument or repr(argument)}: there is no such file or folder')
    found.pictures, found.videos = _without_repeats(found.pictures), _without_repeats(found.videos)
    return found


def _hint_at_folders(folder: str, paths: list[str]) -> str:
    """The pattern of the pictures in folders of a folder, if there are any."""
    for inner in paths:
        try:
            pictures = find_pictures(inner)[0] if os.path.isdir(inner) else []
        except OSError:  # nobody may look into it
            continue
        if pictures:
            ending = os.path.splitext(pictures[0])[1]
            pattern = os.path.join(glob.escape(folder), '**', f'*{ending}')
            return f'; for those in its folders write "{pattern}"'
    return ''


def _without_repeats(sources: list) -> list:
    """Keep each source once, also where a folder is named beside a file in it."""
    kept: dict[str | int, str | int] = {}
    for source in sources:
        is_file = isinstance(source, str) and '://' not in source
        kept.setdefault(os.path.realpath(source) if is_file else source, source)
    return list(kept.values())


def _is_video(path: str) -> bool:
    return Path(path).suffix.lower() in VIDEO_ENDINGS
