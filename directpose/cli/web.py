"""A page in the browser that draws the poses of a picture or a short clip.

    directpose web
    directpose web --model model.onnx --port 8000

Nothing leaves this machine: the page is served on 127.0.0.1 unless --host says otherwise, and no
file is sent anywhere.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from directpose.errors import UserError
from directpose.packaged import EXAMPLES
from directpose.pictures import read_picture
from directpose.runtime import DirectPose

from . import predict
from .arguments import TINY, Parser, add_model, whole_number

MAX_PIXELS = 50_000_000
"""A picture of more pixels is refused."""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(
        prog='directpose web',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(parser)
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        help='address to serve on; 0.0.0.0 lets other machines in; default: %(default)s',
    )
    parser.add_argument(
        '--port', type=whole_number(1, 65535), default=7860, help='default: %(default)s'
    )
    parser.add_argument(
        '--max-size',
        type=whole_number(),
        default=50,
        metavar='MB',
        help='largest size of a file; default: %(default)s',
    )
    parser.add_argument(
        '--max-frames',
        type=whole_number(),
        default=300,
        metavar='N',
        help='use only the first N frames of a clip; default: %(default)s',
    )
    return parser.parse_args(argv)


def draw_picture(
    model: DirectPose, path: str, folder: str, score_thr: float, **drawing
) -> list[str]:
    """Find and draw the people of a picture.

    Args:
        model (DirectPose): Any exported model.
        path (str): The picture.
        folder (str): Where ``poses.png`` and ``poses.json`` go.
        score_thr (float): People with a lower score are left out.
        **drawing: How to draw, as :meth:`directpose.runtime.Poses.draw` takes it.

    Returns:
        list[str]: The paths of the drawn picture and of the poses.

    Raises:
        UserError: If the file is not a picture, is broken, or is too large, or if the model is for
            inputs of another size.
    """
    from PIL import Image

    image = read_picture(path, max_pixels=MAX_PIXELS)
    poses = model(image)
    poses = poses.select(poses.scores >= score_thr)
    drawn = np.ascontiguousarray(poses.draw(image, **drawing)[..., ::-1])
    files = [os.path.join(folder, name) for name in ('poses.png', 'poses.json')]
    Image.fromarray(drawn).save(files[0])
    Path(files[1]).write_text(json.dumps(poses.to_dict(), indent=1))
    return files


def draw_clip(command: list[str], folder: str) -> tuple[list[str], bool]:
    """Find and draw the people of a clip.

    Args:
        command (list[str]): Arguments of ``directpose predict``, with the folder as ``--out``.
        folder (str): Where the results go.

    Returns:
        tuple[list[str], bool]: The paths of the drawn video and of the poses as JSON lines, and
        whether the clip is damaged or cut off.

    Raises:
        ValueError: If the clip is not a video, if it cannot be read, or if the model is for frames
            of another size.
    """
    try:
        status = predict.main(command)
    except SystemExit as error:  # how the command line says what is wrong
        raise ValueError(str(error).removeprefix('error: ')) from error
    videos = [str(video) for video in Path(folder).glob('*.mp4')]
    if not videos:
        raise ValueError(
            'this file is not a video that can be read, or the model is for frames of another size'
        )
    return [videos[0], os.path.join(folder, 'poses.jsonl')], status != 0


@contextmanager
def replace_folder(shown: str | None) -> Iterator[str]:
    """Make a folder for new results, and delete that of the results before, once they are there.

    If the block ends with an error, the new folder is deleted, and the old one stays.

    Args:
        shown (str, optional): The folder of the results that a page shows.

    Yields:
        str: The new folder.
    """
    # In the folder of the page's server, which makes no copy of its files then.
    folder = tempfile.mkdtemp(dir=os.environ['GRADIO_TEMP_DIR'])
    try:
        yield folder
    except BaseException:
        forget(folder)
        raise
    forget(shown)


def forget(folder: str | None) -> None:
    """Delete the folder of results that no page shows any longer."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def build_page(args: argparse.Namespace):
    """Make the page.

    Args:
        args (argparse.Namespace): What :func:`parse_args` returns.

    Returns:
        gradio.Blocks: Not yet served.
    """
    import gradio

    model = DirectPose(args.model)

    def refusal(error: ValueError, path: str) -> gradio.Error:
        return gradio.Error(str(error).replace(path, 'this file'), print_exception=False)

    def on_picture(path, shown, score_thr, kpt_thr, boxes, scores):
        if path is None:
            forget(shown)
            return None, None, None
        drawing = dict(kpt_thr=kpt_thr, boxes=boxes, scores=scores)
        try:
            with replace_folder(shown) as folder:
                files = draw_picture(model, path, folder, score_thr, **drawing)
        except UserError as error:  # of the picture, or of a model for inputs of one size
            raise refusal(error, path) from error
        return files[0], files, folder

    def on_clip(path, shown, score_thr, kpt_thr, boxes, scores):
        if path is None:
            gradio.Warning('choose a clip first')
            return gradio.skip()
        options = ['--boxes'] * boxes + ['--scores'] * scores
        options += ['--score-thr', str(score_thr), '--kpt-thr', str(kpt_thr)]
        options += ['--max-frames', str(args.max_frames)]
        try:
            with replace_folder(shown) as folder:
                command = [path, '--model', args.model, '--out', folder, '--track', *options]
                files, broken = draw_clip(command, folder)
        except ValueError as error:
            raise refusal(error, path) from error
        if broken:
            gradio.Warning('this clip is damaged or cut off; what can be read is shown')
        return files[0], files, folder

    # Files that were sent, as pictures and clips, are deleted a day later.
    with gradio.Blocks(
        title='DirectPose', analytics_enabled=False, delete_cache=(3600, 86_400)
    ) as page:
        text = '# DirectPose\nFind people and their keypoints. Files stay on this machine.'
        if args.model == TINY:
            text += (
                f' {TINY} learned from drawn and rendered people. On photographs it misses '
                'many, and takes things for people.'
            )
        gradio.Markdown(text)
        with gradio.Row():
            score_thr = gradio.Slider(0, 1, value=predict.SCORE_THR, step=0.01, label='least score')
            kpt_thr = gradio.Slider(
                0,
                1,
                value=0,
                step=0.01,
                label='least keypoint score',
                visible=model.rates_keypoints,
            )
            boxes = gradio.Checkbox(label='boxes')
            scores = gradio.Checkbox(label='scores')
        with gradio.Tab('Picture'), gradio.Row():
            with gradio.Column():
                picture = gradio.Image(
                    type='filepath', sources=['upload', 'webcam', 'clipboard'], label='picture'
                )
                # The file as it was sent. Gradio would open it without our limit of pixels, and
                # refuse it without our message.
                picture.preprocess = lambda sent: None if sent is None else sent.path
                gradio.Examples(
                    [str(path) for path in EXAMPLES], picture, label='drawn people, to try the page'
                )
            with gradio.Column():
                # Not Gradio's button that shares a picture on the internet.
                drawn = gradio.Image(
                    label='poses',
                    format='png',
                    interactive=False,
                    buttons=['fullscreen', 'download'],
                )
                files = gradio.File(label='download', file_count='multiple', interactive=False)
        with gradio.Tab('Clip'), gradio.Row():
            with gradio.Column():
                clip = gradio.Video(label=f'clip; its first {args.max_frames} frames are used')
                start = gradio.Button('Find poses')
            with gradio.Column():
                video = gradio.Video(label='poses', interactive=False, buttons=['download'])
                clip_files = gradio.File(label='download', file_count='multiple', interactive=False)
        # The folders of what a browser shows. They are deleted some time after the browser leaves.
        shown, shown_clip = (gradio.State(delete_callback=forget) for _ in range(2))
        settings = [score_thr, kpt_thr, boxes, scores]
        gradio.on(
            [item.change for item in (picture, *settings)],
            on_picture,
            [picture, shown, *settings],
            [drawn, files, shown],
            api_name=False,
            trigger_mode='always_last',  # while a slider moves, not every value on its way
        )
        start.click(
            on_clip, [clip, shown_clip, *settings], [video, clip_files, shown_clip], api_name=False
        )
    return page


def main(argv: list[str] | None = None) -> int:
    """Serve the page until the process is stopped.

    Args:
        argv (list[str], optional): Arguments. Defaults to ``sys.argv[1:]``.

    Returns:
        int: The exit status.
    """
    args = parse_args(argv)
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
    # Gradio asks its own page whether the page is there, and must not do so through a proxy.
    for name in ('no_proxy', 'NO_PROXY'):
        os.environ[name] = ','.join(filter(None, (os.environ.get(name), 'localhost', args.host)))
    with predict.sigterm_as_ctrl_c(), tempfile.TemporaryDirectory() as folder:
        # What people send and get is gone when the server ends.
        os.environ['GRADIO_TEMP_DIR'] = folder
        try:
            page = build_page(args)
        except ModuleNotFoundError as error:
            if error.name != 'gradio':
                raise
            print("error: the page needs Gradio: pip install 'directpose[web]'", file=sys.stderr)
            return 2
        except (ImportError, ValueError) as error:
            print(f'error: {error}', file=sys.stderr)
            return 2
        try:
            page.launch(
                server_name=args.host,
                server_port=args.port,
                max_file_size=f'{args.max_size}mb',
                share=False,  # no public address, whatever the environment says
                footer_links=[],
                quiet=True,
                prevent_thread_lock=True,
            )
        except OSError:
            print(
                f'error: the page cannot be served on {args.host}, port {args.port}: another '
                'program uses the port, or this machine has no such address; give another --port '
                'or --host',
                file=sys.stderr,
            )
            return 2
        print(f'open {page.local_url} in a browser; Ctrl-C ends the page', flush=True)
        page.block_thread()
    return 0
