"""What a run of ``directpose predict`` is going to write, checked before the work."""

import argparse
import os
from pathlib import Path

from directpose.runtime.video import import_av, import_opencv

from .sources import Sources


def check_targets(args: argparse.Namespace, sources: Sources) -> None:
    """Check before the work that it can be done, so that older results are not lost for nothing.

    Raises:
        ImportError: If a package that reads or writes videos is not installed.
        ValueError: If a source would be overwritten, or if a format or an option does not suit the
            sources.
    """
    if args.track and not sources.videos:
        raise ValueError(
            '--track and --smooth are for videos, and these sources are pictures; make a video of '
            'them, or leave the option out'
        )
    if 'yolo' in args.save:
        check_labels(sources)
    if sources.videos and {'coco', 'yolo'} & set(args.save):
        raise ValueError(
            '--save coco and --save yolo are for pictures; use jsonl or csv for videos'
        )
    if any(isinstance(video, int) for video in sources.videos):
        import_opencv()
    if any(isinstance(video, str) for video in sources.videos) or (
        sources.videos and 'drawn' in args.save
    ):
        import_av()
    if args.out.exists() and not args.out.is_dir():
        raise ValueError(f'{args.out} is a file; give a folder with --out')
    if 'drawn' not in args.save:
        return
    endings = ['.jpg'] * len(sources.pictures) + ['.mp4'] * len(sources.videos)
    existing = {
        os.path.realpath(source)
        for source in [*sources.pictures, *sources.videos]
        if isinstance(source, str)
    }
    for name, ending in zip(sources.names(), endings):
        target = args.out / f'{name}{ending}'
        if os.path.realpath(target) in existing:
            raise ValueError(
                f'{target} is a source, and would be overwritten; choose another --out'
            )


def check_labels(sources: Sources) -> None:
    """Check that each picture can have the label file in which YOLO looks for it.

    Raises:
        ValueError: If two pictures would have the same label file.
    """
    taken: dict[str, str] = {}
    for picture in sources.pictures:
        other = taken.setdefault(Path(picture).stem.casefold(), picture)
        if other != picture:
            raise ValueError(
                f'--save yolo: {other} and {picture} would have one label file; rename a picture'
            )
