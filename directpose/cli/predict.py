"""Find the poses of people on pictures and in videos.

    directpose predict photo.jpg
    directpose predict photos/ --save drawn coco
    directpose predict clip.mp4 --track --smooth
    directpose predict 0

writes into the folder poses: drawn pictures, H.264 video with its sound, and poses.jsonl with
a line for each picture or frame. A picture without people is not an error. A broken picture, or a
broken piece of a video, is counted and skipped; its file is named, and the exit status is then 1.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from time import monotonic
from typing import NoReturn

from directpose.errors import UserError
from directpose.pictures import PictureError, has_more, read_picture
from directpose.runtime import DirectPose, Poses, PoseTracker
from directpose.runtime.video import (
    MAX_SIDE,
    Camera,
    Frame,
    Video,
    VideoError,
    VideoWriter,
)

from .arguments import TINY, Parser, add_model, score, whole_number
from .background import InBackground, ahead
from .outputs import COCO, CSV, JPEG_MAX_SIDE, YOLO, JSONLines, Output, write_jpeg
from .sources import Sources, find_sources
from .targets import check_targets

FORMATS = ('drawn', 'jsonl', 'csv', 'coco', 'yolo')
SCORE_THR = 0.2
"""Scores are products of two probabilities, so they are low. Few good poses are below this one."""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(
        prog='directpose predict',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'sources',
        nargs='+',
        metavar='SOURCE',
        help='a picture, a folder, a pattern such as "photos/*.jpg", a video, the number of a '
        'camera, or an address such as rtsp://...',
    )
    add_model(parser)
    parser.add_argument(
        '--out', type=Path, default=Path('poses'), help='folder to write; default: %(default)s'
    )
    parser.add_argument(
        '--save',
        nargs='+',
        type=_format,
        metavar='FORMAT',
        default=['drawn', 'jsonl'],
        help='what to write, one or several: drawn (pictures and videos), jsonl (JSON lines), csv '
        '(a table), coco (one file), yolo (YOLO-pose labels); default: drawn jsonl',
    )
    parser.add_argument(
        '--score-thr',
        type=score,
        default=SCORE_THR,
        help='the least score of the people that are found; 0 finds all that the model proposes; '
        'default: %(default)s',
    )
    parser.add_argument(
        '--kpt-thr',
        type=score,
        default=0.0,
        help='draw no keypoint with a lower score; only for models that rate keypoints; default: '
        '%(default)s, which draws all keypoints',
    )
    parser.add_argument('--boxes', action='store_true', help='draw the boxes of people')
    parser.add_argument('--scores', action='store_true', help='draw the scores of people')
    parser.add_argument(
        '--track', action='store_true', help='give each person of a video one number in all frames'
    )
    parser.add_argument(
        '--smooth', action='store_true', help='smooth keypoints over time; includes --track'
    )
    parser.add_argument(
        '--max-frames', type=whole_number(), metavar='N', help='stop each video after N frames'
    )
    parser.add_argument(
        '--threads',
        type=whole_number(1, 1024),  # ONNX Runtime would try any number, until no memory is left
        metavar='N',
        help='threads of ONNX Runtime; default: the processors that the process may use',
    )
    args = parser.parse_args(argv)
    args.track |= args.smooth
    return args


def _format(word: str) -> str:
    if word in FORMATS:
        return word
    raise argparse.ArgumentTypeError(
        f'there is no format {word!r}, but {", ".join(FORMATS)}; write the sources before --save'
    )


class Predictor:
    """The model, the output files, and the counts of one run."""

    def __init__(self, args: argparse.Namespace, sources: Sources) -> None:
        self.args = args
        self.model = DirectPose(args.model, score_thr=args.score_thr, threads=args.threads)
        if args.kpt_thr > 0 and not self.model.rates_keypoints:
            raise ValueError(f'--kpt-thr: the model {args.model} does not rate keypoints')
        self.drawing = dict(boxes=args.boxes, scores=args.scores, kpt_thr=args.kpt_thr)
        try:
            args.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f'--out {args.out}: the folder cannot be made ({error.strerror}); choose another'
            ) from error
        names = sources.names()
        self.names = dict(zip([*sources.pictures, *map(str, sources.videos)], names))
        self.videos = set(sources.videos)
        self.pictures = self.frames = self.people = self.broken = 0
        self.drawn = 'drawn' in args.save
        makers: dict[str, Callable[[], Output]] = dict(
            jsonl=lambda: JSONLines(args.out / 'poses.jsonl'),
            csv=lambda: CSV(
                args.out / 'poses.csv', self.model.keypoint_names, self.model.rates_keypoints
            ),
            coco=lambda: COCO(args.out / 'poses.json', sources.paths_in_folder()),
            yolo=lambda: YOLO(args.out / 'labels', self.names),
        )
        self.outputs = [make() for kind, make in makers.items() if kind in args.save]
        for output in self.outputs:
            output.start()

    def close(self) -> None:
        for output in self.outputs:
            output.close()

    def predict_pictures(self, paths: list[str]) -> None:
        with InBackground() as background:
            for path, image in ahead(_read_each(paths)):
                if isinstance(image, PictureError):
                    self.pass_over(str(image))
                    self.remove_older(path)
                    continue
                try:
                    poses = self.model(image)
                except UserError as error:  # of a model for inputs of one size
                    self.pass_over(f'{path}: {error}')
                    self.remove_older(path)
                    continue
                self.pictures += 1
                self.record(path, poses)
                height, width = image.shape[:2]
                if self.drawn and max(width, height) > JPEG_MAX_SIDE:
                    self.pass_over(
                        f'{path}: {width} x {height} pixels cannot be drawn; the limit of JPEG is '
                        f'{JPEG_MAX_SIDE:,}'
                    )
                elif self.drawn:
                    target = self.args.out / f'{self.names[path]}.jpg'
                    background.run(self.draw_picture, target, poses, image)

    def predict_videos(self, sources: list[str | int]) -> None:
        for source in sources:
            try:
                self.predict_video(source)
            except UserError as error:
                # The error of a model for inputs of one size does not name the video.
                has_name = isinstance(error, VideoError)
                self.pass_over(str(error) if has_name else f'{_name_of(source)}: {error}')
                if isinstance(source, str) and '://' not in source:  # a recording stays
                    self.remove_older(source)

    def predict_video(self, source: str | int) -> None:
        video = Camera(source) if isinstance(source, int) else Video(source)
        tracker = None
        if self.args.track:
            tracker = PoseTracker(
                self.model.keypoint_sigmas, smooth=self.args.smooth, fps=float(video.rate)
            )
        target = self.args.out / f'{self.names[str(source)]}.mp4'
        video_name = _name_of(source)
        progress = _Progress(video_name, video.num_frames)
        writer, frames_before, drawn = None, self.frames, self.drawn
        frames = ahead(iter(video))
        try:
            with InBackground() as background:
                for frame in frames:
                    if self.args.max_frames and frame.index >= self.args.max_frames:
                        break
                    poses = self.model(frame.image)
                    poses = tracker(poses, frame.time) if tracker else poses
                    self.frames += 1
                    self.record(str(source), poses, frame)
                    height, width = frame.image.shape[:2]
                    if drawn and writer is None and max(width, height) > MAX_SIDE:
                        drawn = False
                        self.pass_over(
                            f'{video_name}: frames of {width} x {height} pixels cannot be drawn; '
                            f'the limit of H.264 is {MAX_SIDE:,}'
                        )
                    if drawn and writer is None:
                        sound = source if isinstance(source, str) else None
                        writer = VideoWriter(target, (width, height), video.rate, sound)
                    if drawn:
                        background.run(self.draw_frame, writer, poses, frame)
                    progress.show(frame.index + 1)
        finally:
            progress.end()
            try:
                # First, because a stream may keep the other one waiting, and Ctrl-C ends that.
                if writer is not None:
                    writer.close()
            finally:
                frames.close()
                video.close()
        for fault, number in video.faults:
            self.tell(f'{video_name}: {fault}', number)
        if not video.faults and self.frames == frames_before:
            self.pass_over(f'{video_name}: no frame came')
        if writer is not None and writer.broken:
            message = f'{video_name}: {writer.broken} pieces of the sound were left out'
            self.tell(message, writer.broken)

    def record(self, source: str, poses: Poses, frame: Frame | None = None) -> None:
        self.people += len(poses.scores)
        place = (None, None) if frame is None else (frame.index, frame.time)
        for output in self.outputs:
            output.write(source, poses, *place)

    def draw_picture(self, target: Path, poses: Poses, image) -> None:
        write_jpeg(target, poses.draw(image, **self.drawing))

    def draw_frame(self, writer: VideoWriter, poses: Poses, frame: Frame) -> None:
        drawn = poses.draw(frame.image, **self.drawing)
        writer.write(drawn, frame.time)

    def remove_older(self, source: str) -> None:
        """Remove what an earlier run wrote for a file that cannot be read now.

        Only files that this run would write are removed. :func:`check_targets` has seen that none
        of these is a source.
        """
        name, is_video = self.names[source], source in self.videos
        if self.drawn:
            (self.args.out / f'{name}{".mp4" if is_video else ".jpg"}').unlink(missing_ok=True)
        if 'yolo' in self.args.save and not is_video:
            (self.args.out / f'labels/{name}.txt').unlink(missing_ok=True)

    def pass_over(self, message: str) -> None:
        self.tell(f'skipped: {message}')

    def tell(self, message: str, number: int = 1) -> None:
        """Say what went wrong, and count it."""
        print(message, file=sys.stderr)
        self.broken += number

    def summary(self) -> str:
        parts = []
        if self.pictures or not self.frames:
            parts.append(_count(self.pictures, 'picture'))
        if self.frames:
            parts.append(_count(self.frames, 'frame'))
        text = f'{", ".join(parts)}, {_count(self.people, "pose")}'
        if self.broken:
            text += f', {_count(self.broken, "fault")}'
        text += f'; results are in {self.args.out}'
        if (self.pictures or self.frames) and not self.people and self.args.model == TINY:
            text += (
                f'\n{TINY} never saw photographs of people and misses many there; '
                'name a model for them with --model'
            )
        return text


def _read_each(paths: list[str]) -> Iterator:
    """Each path with its picture, or with the error that says why there is none."""
    for path in paths:
        try:
            picture = read_picture(path)
            if has_more(path):
                print(f'{path}: the first of its pictures is used', file=sys.stderr)
            yield path, picture
        except PictureError as error:
            yield path, error


def _name_of(video: str | int) -> str:
    return f'camera {video}' if isinstance(video, int) else video


class _Progress:
    """A line on a terminal that says how far a video is."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total = name, total
        self._start = self._shown = monotonic()
        self._is_open = False

    def show(self, done: int) -> None:
        now = monotonic()
        if now - self._shown < 1 or not sys.stderr.isatty():
            return
        self._shown, self._is_open = now, True
        of = f' of {self._total}' if self._total else ''
        rate = done / (now - self._start)
        print(f'\r{self._name}: frame {done}{of}, {rate:.1f} a second', end=' ', file=sys.stderr)

    def end(self) -> None:
        if self._is_open:
            print(file=sys.stderr)


def _count(number: int, one: str) -> str:
    return f'{number} {one}' + 's' * (number != 1)


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """Finish the files after SIGTERM too, which service managers and containers send."""

    def stop(*_) -> NoReturn:
        raise KeyboardInterrupt

    if current_thread() is not main_thread():  # others may not handle signals
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        int: The exit status: 0, 1 if something could not be read, or 130 after Ctrl-C.
    """
    args = parse_args(argv)
    try:
        sources = find_sources(args.sources)
        check_targets(args, sources)
        for other in sources.others:
            print(f'neither a picture nor a video: {other}', file=sys.stderr)
        predictor = Predictor(args, sources)
    except (ValueError, ImportError, OSError) as error:
        sys.exit(f'error: {error}')
    try:
        with sigterm_as_ctrl_c():
            try:
                predictor.predict_pictures(sources.pictures)
                predictor.predict_videos(sources.videos)
            finally:
                predictor.close()
                print(predictor.summary())
    except OSError as error:
        sys.exit(f'error: {error.filename or args.out}: {error.strerror or error}')
    except (ImportError, UserError) as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        print('stopped', file=sys.stderr)
        return 130
    return 1 if predictor.broken else 0
