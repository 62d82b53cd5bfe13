"""The command ``directpose``, also as ``python -m directpose``."""

import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec

from directpose import __version__
from directpose.errors import did_you_mean
from directpose.packaged import find_packaged

# Each script is the one of a checkout, or the copy of it that an installed package has.
SCRIPTS = {
    'train': 'train.py',
    'test': 'test.py',
    'export': 'deployment/export_onnx.py',
    'check': 'check_dataset.py',
}

NEEDED = {'torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet', 'mmpose'}
"""What the scripts need, and the bare package does not have."""

USAGE = """\
usage: directpose COMMAND ...

  predict  find the poses of people on pictures and in videos
  train    train a model
  test     measure a trained model
  export   write a trained model to an ONNX file
  check    check a data set in COCO's format
  web      a page in the browser that shows poses

`directpose COMMAND --help` says more. predict needs only numpy, Pillow and ONNX Runtime; web needs
Gradio too; train, test, export and check need torch and OpenMMLab, also for their --help.
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command.

    Args:
        argv (list[str], optional): The command and its arguments. Defaults to ``sys.argv[1:]``.

    Returns:
        int: The exit status.
    """
    command, *rest = (sys.argv[1:] if argv is None else argv) or ['--help']
    if command in ('-h', '--help'):
        print(USAGE, end='')
        return 0
    if command == '--version':
        print(f'directpose {__version__}')
        return 0
    if command == 'predict':
        from directpose.cli.predict import main as predict

        return predict(rest)
    if command == 'web':
        from directpose.cli.web import main as web

        return web(rest)
    if command in SCRIPTS:
        return _run_script(command, rest)
    print(USAGE, end='', file=sys.stderr)
    message = f'error: there is no command {command!r}'
    hint = did_you_mean(command, ['predict', 'web', *SCRIPTS])
    print(f'{message}; {hint}' if hint else message, file=sys.stderr)
    return 2


def _run_script(command: str, arguments: list[str]) -> int:
    """Run a script of tools/ as if it had been started itself."""
    script = find_packaged(f'tools/{SCRIPTS[command]}')
    if script is None:
        sys.exit(f'error: this installation lacks {SCRIPTS[command]}; install directpose again')
    sys.argv = [f'directpose {command}', *arguments]
    # Not runpy, which gives the script its own name in the messages. A checkout has links there.
    loader = SourceFileLoader('__main__', str(script.resolve()))
    spec = ModuleSpec('__main__', loader, origin=loader.path)
    spec.has_location = True  # so that the script has a __file__
    try:
        loader.exec_module(module_from_spec(spec))
    except ModuleNotFoundError as error:
        if (error.name or '').partition('.')[0] not in NEEDED:
            raise
        print(
            f'error: {command} needs torch and OpenMMLab, and {error.name} is not installed: '
            "pip install 'directpose[openmmlab]', then python -m directpose_stack",
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
