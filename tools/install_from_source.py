"""Compile mmcv (with its operators) and xtcocotools, once, and install them.

Run it with the Python of the environment that shall have them::

    python tools/install_from_source.py        # both, where they are needed
    python tools/install_from_source.py mmcv   # this one, in any case

Without a name, one that is installed in the wanted version and works is left
alone, so that an mmcv brought from elsewhere is kept. An mmcv without CUDA
operators is not, where they can be compiled.

requirements/source.txt names the versions and says why neither can be taken
ready-made. What was compiled is kept under ``$DIRECTPOSE_WHEEL_CACHE``
(default: ``~/.cache/directpose/wheels``) in a folder named after everything it
was compiled against, so the next environment of the same kind takes it from
there in seconds, and a changed torch compiles anew. A kept wheel that does not
work is compiled again.

mmcv gets CUDA operators where torch sees a GPU and the CUDA toolkit of torch's
own CUDA version is found (``$CUDA_HOME``, /usr/local/cuda-X.Y, nvcc on the
PATH); otherwise operators for the CPU. ``MAX_JOBS`` and
``TORCH_CUDA_ARCH_LIST`` work as in every torch extension.
"""

import argparse
import contextlib
import fcntl
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple, TextIO

ROOT = Path(__file__).resolve().parents[1]
SECONDS_BETWEEN_SIGNS_OF_LIFE = 20


class Source(NamedTuple):
    """How one package is compiled.

    Attributes:
        extension: The compiled module, without which a wheel is worth nothing.
        probe: Python code that fails where the compiled module does not work.
        duration: How long the compilation takes.
        patch: File in the source, what to replace in it, and by what.
    """

    extension: str
    probe: str
    duration: str
    patch: tuple[str, str, str] | None = None


SOURCES = {
    'mmcv': Source('mmcv/_ext', 'import mmcv.ops', 'some ten minutes on two cores'),
    # numpy 2 knows the flag by its new name alone; with the old one the
    # compiled mask functions fail when they are called.
    'xtcocotools': Source(
        'xtcocotools/_mask',
        'from xtcocotools import mask; mask.area(mask.frPyObjects([[0, 0, 4, 0, 4, 4]], 4, 4))',
        'half a minute',
        ('xtcocotools/_mask.pyx', 'np.NPY_OWNDATA', 'np.NPY_ARRAY_OWNDATA'),
    ),
}


class InstallError(RuntimeError):
    """Something the user has to mend; the message says how."""


def pinned_version(name: str) -> str:
    """Version of ``name`` in requirements/source.txt."""
    text = (ROOT / 'requirements' / 'source.txt').read_text()
    return re.search(rf'^{name}==(\S+)$', text, flags=re.MULTILINE)[1]


def cache_root() -> Path:
    """Where compiled wheels are kept."""
    if given := os.environ.get('DIRECTPOSE_WHEEL_CACHE'):
        return Path(given).expanduser().absolute()
    cache = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(cache) / 'directpose' / 'wheels'


def check_toolchain() -> None:
    """Refuse early what would stop a compilation after minutes."""
    missing = []
    if shutil.which(shlex.split(os.environ.get('CXX') or 'c++')[0]) is None:
        missing.append('a C++ compiler (build-essential)')
    if not Path(sysconfig.get_path('include'), 'Python.h').is_file():
        version = f'{sys.version_info.major}.{sys.version_info.minor}'
        missing.append(f'the headers of Python {version} (python{version}-dev)')
    if missing:
        packages = ' '.join(part[part.index('(') + 1 : -1] for part in missing)
        raise InstallError(
            f'mmcv and xtcocotools have to be compiled; missing: {", ".join(missing)}. '
            f'On Debian and Ubuntu:\n  sudo apt-get install -y {packages}'
        )


def find_cuda_toolkit(version: str) -> Path | None:
    """CUDA toolkit of ``version``'s major, as torch's extensions require.

    Args:
        version: CUDA version of the installed torch, like ``'13.0'``.
    """
    nvcc = shutil.which('nvcc')
    candidates = [
        os.environ.get('CUDA_HOME'),
        os.environ.get('CUDA_PATH'),
        f'/usr/local/cuda-{version}',
        nvcc and Path(nvcc).resolve().parents[1],
        '/usr/local/cuda',
    ]
    for home in map(Path, filter(None, candidates)):
        if not (home / 'bin/nvcc').is_file() or not (home / 'include/cuda_runtime.h').is_file():
            continue
        answer = subprocess.run(
            [home / 'bin/nvcc', '--version'], capture_output=True, text=True, check=False
        ).stdout
        release = re.search(r'release (\d+)\.', answer)
        if release and release[1] == version.split('.')[0]:
            return home
    return None


def has_cuda_operators() -> bool:
    """Whether the installed mmcv has operators for the GPU."""
    from mmcv.ops import get_compiling_cuda_version

    return get_compiling_cuda_version() != 'not available'


def command_for(name: str) -> str:
    """Shell command that compiles ``name`` in any case."""
    return shlex.join([sys.executable, str(Path(__file__).resolve()), name])


def operator_target() -> tuple[str, dict[str, str]]:
    """What mmcv's operators are to be compiled for.

    Returns:
        A label for the cache, and the environment variables of the build.
    """
    import torch

    # mmcv compiles for CUDA as soon as torch sees a GPU: hide it where that
    # cannot work.
    cpu = 'cpu', {'FORCE_CUDA': '0', 'CUDA_VISIBLE_DEVICES': ''}
    if not torch.cuda.is_available() or torch.version.cuda is None:
        return cpu
    toolkit = find_cuda_toolkit(torch.version.cuda)
    if toolkit is None:
        print(
            f'NOTE: torch sees a GPU, but no CUDA {torch.version.cuda} toolkit with nvcc and '
            "headers was found: mmcv's operators are compiled for the CPU alone, and models "
            'that use them will not run on the GPU. Remedy: install the toolkit, then\n'
            f'  CUDA_HOME=/usr/local/cuda-{torch.version.cuda} {command_for("mmcv")}\n'
            'or hide the GPU from torch:  export CUDA_VISIBLE_DEVICES=',
            flush=True,
        )
        return cpu
    capabilities = {
        '{}.{}'.format(*torch.cuda.get_device_capability(i))
        for i in range(torch.cuda.device_count())
    }
    architectures = os.environ.get('TORCH_CUDA_ARCH_LIST') or ';'.join(sorted(capabilities))
    # A toolkit may lack the headers of the CUDA libraries; torch's own
    # packages bring them.
    includes = Path(sysconfig.get_path('purelib'), 'nvidia').glob('*/include')
    search = [*map(str, includes), *filter(None, [os.environ.get('CPATH')])]
    label = f'cuda{torch.version.cuda}-sm{re.sub(r"[^0-9.+A-Za-z]+", "_", architectures)}'
    return label, {
        'FORCE_CUDA': '1',
        'CUDA_HOME': str(toolkit),
        'TORCH_CUDA_ARCH_LIST': architectures,
        'CPATH': os.pathsep.join(search),
    }


def cache_key(name: str, version: str, operators: str) -> str:
    """Folder name that holds everything the wheel was compiled against.

    Args:
        operators: The label of :func:`operator_target`.
    """
    abi = sysconfig.get_config_var('SOABI')  # cpython-311-x86_64-linux-gnu
    if name == 'mmcv':
        import torch

        against = f'torch{torch.__version__}-{operators}'
    else:
        import numpy

        against = f'numpy{numpy.__version__.split(".")[0]}'
    return f'{name}{version}-{abi}-{against}'


def any_kept(name: str) -> bool:
    """Whether the cache holds a wheel of ``name`` for this Python, whatever else it needs."""
    abi = sysconfig.get_config_var('SOABI')
    return any(cache_root().glob(f'{name}{pinned_version(name)}-{abi}-*/*.whl'))


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time in ``folder``; a second waits for the first."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / '.lock', 'w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f'waiting for another process that compiles in {folder}', flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def compile_jobs() -> int:
    """As many compilers as there are cores, and 2 GB of memory for each."""
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    return max(1, min(len(os.sched_getaffinity(0)), memory // 2_000_000_000))


def compile_wheel(name: str, version: str, folder: Path, variables: dict[str, str]) -> Path:
    """Compile one wheel and put it, complete, into ``folder``.

    Raises:
        InstallError: If the build fails; the message holds the log's errors.
    """
    check_toolchain()
    log_path = folder / 'build.log'
    scratch = folder / '.build'
    shutil.rmtree(scratch, ignore_errors=True)  # of an interrupted build
    scratch.mkdir()
    environment = {
        'MAX_JOBS': str(compile_jobs()),
        **os.environ,
        'MMCV_WITH_OPS': '1',
        # Debug information takes more than half of the time. CPPFLAGS, as
        # setuptools adds these to Python's own flags; CFLAGS take their place.
        'CPPFLAGS': f'{os.environ.get("CPPFLAGS", "")} -g0'.strip(),
        'PATH': os.pathsep.join([sysconfig.get_path('scripts'), os.environ['PATH']]),  # ninja
        'TMPDIR': str(scratch),
        **variables,
    }
    # pip keeps wheels it built, too, but by name alone: --no-cache-dir.
    pip = [sys.executable, '-m', 'pip']
    options = ['--no-cache-dir', '--no-deps', '--no-build-isolation', '--no-binary', name]
    try:
        with open(log_path, 'w') as log:

            def run(*arguments: str) -> None:
                if run_with_signs_of_life(name, [*pip, *arguments], environment, log) != 0:
                    raise InstallError(_compile_failure(name, version, log_path))

            source = f'{name}=={version}'
            if (patch := SOURCES[name].patch) is not None:
                run('download', *options, '--dest', str(scratch), source)
                source = str(unpack_patched(next(scratch.glob('*.tar.gz')), *patch))
            run('wheel', '-v', *options, '--wheel-dir', str(scratch), source)
        wheel = next(scratch.glob('*.whl'))
        extension = SOURCES[name].extension
        with zipfile.ZipFile(wheel) as archive:
            if not any(entry.startswith(f'{extension}.') for entry in archive.namelist()):
                raise InstallError(
                    f'{name} {version} was built without {extension}; the reason is in {log_path}'
                )
        return wheel.rename(folder / wheel.name)  # at once, or not at all
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _compile_failure(name: str, version: str, log_path: Path) -> str:
    lines = log_path.read_text(errors='replace').splitlines()
    # The log ends with pip's own words; the compiler's come first.
    errors = [line for line in lines if re.search(r'error:|No module|Killed', line, re.IGNORECASE)]
    reason = '\n'.join(errors[:10] or lines[-10:])
    return (
        f'compiling {name} {version} failed:\n{reason}\nThe whole log is in {log_path}. If the '
        'machine ran out of memory, run this again with MAX_JOBS=1.'
    )


def unpack_patched(archive: Path, file: str, old: str, new: str) -> Path:
    """Unpack a source package beside itself, with ``old`` replaced in ``file``."""
    shutil.unpack_archive(archive, archive.parent)
    source = archive.with_name(archive.name.removesuffix('.tar.gz'))
    text = (source / file).read_text()
    if old not in text:
        raise InstallError(f'{archive.name}: {file} has no {old} to replace')
    (source / file).write_text(text.replace(old, new))
    return source


def run_with_signs_of_life(
    name: str, command: list[str], environment: dict[str, str], log: TextIO
) -> int:
    """Run ``command`` into ``log``; print now and then how far ninja is."""
    start = shown = time.monotonic()
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace',
        start_new_session=True,
    ) as process:
        try:
            for line in process.stdout:
                log.write(line)
                log.flush()
                step = re.match(r'\s*\[(\d+)/(\d+)\]', line)
                now = time.monotonic()
                if step and now - shown > SECONDS_BETWEEN_SIGNS_OF_LIFE:
                    shown = now
                    print(
                        f'    {name}: {step[1]} of {step[2]} files compiled, '
                        f'{(now - start) / 60:.1f} min',
                        flush=True,
                    )
        except BaseException:  # interrupted: take the compilers along
            os.killpg(process.pid, signal.SIGTERM)
            raise
    return process.returncode


def end_cleanly_when_terminated() -> None:
    """Leave through the exception handlers, as on Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))


def install_wheel(wheel: Path) -> None:
    """Install ``wheel`` alone, over whatever is there."""
    command = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-index', '--no-deps']
    subprocess.run([*command, '--force-reinstall', str(wheel)], check=True)


def load_error(name: str) -> str | None:
    """Why the compiled module does not work in a fresh process, or None."""
    command = [sys.executable, '-c', SOURCES[name].probe]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if result.returncode == 0 else result.stderr.strip() or f'exit {result.returncode}'


def is_good(name: str) -> bool:
    """Whether the installed ``name`` is the wanted one, works, and nothing better can be had."""
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    if installed != pinned_version(name) or load_error(name) is not None:
        return False
    return name != 'mmcv' or has_cuda_operators() or operator_target()[0] == 'cpu'


def install(name: str) -> None:
    """Install ``name``, from the cache where it holds a fitting wheel."""
    version = pinned_version(name)
    operators, variables = operator_target() if name == 'mmcv' else ('', {})
    folder = cache_root() / cache_key(name, version, operators)
    with locked(folder):
        for wheel in folder.glob('*.whl'):
            print(f'==> {name} {version} from {folder}', flush=True)
            install_wheel(wheel)
            if (error := load_error(name)) is None:
                return
            print(f'    it does not work ({error.splitlines()[-1]}): compiling anew', flush=True)
            wheel.unlink()
        duration = SOURCES[name].duration
        if operators.startswith('cuda'):
            duration = 'an hour of processor time for each GPU architecture'
        print(f'==> compiling {name} {version}, {duration}; log: {folder}/build.log', flush=True)
        install_wheel(compile_wheel(name, version, folder, variables))
        if error := load_error(name):
            raise InstallError(f'{name} {version} was compiled but does not work:\n{error}')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('names', nargs='*', metavar='NAME', help=' or '.join(SOURCES))
    parser.add_argument(
        '--check',
        action='store_true',
        help='install nothing; fail where the compiler that this will need is missing',
    )
    args = parser.parse_args()
    if unknown := set(args.names) - set(SOURCES):
        parser.error(f'{sorted(unknown)[0]} is not one of: {", ".join(SOURCES)}')
    return args


def main() -> None:
    args = parse_args()
    end_cleanly_when_terminated()
    try:
        if args.check:
            if not all(map(any_kept, args.names or SOURCES)):
                check_toolchain()
            return
        for name in args.names or SOURCES:
            if not args.names and is_good(name):
                print(
                    f'==> {name} {pinned_version(name)} is installed and works: left alone. '
                    f'To compile it all the same:\n  {command_for(name)}',
                    flush=True,
                )
            else:
                install(name)
    except InstallError as error:
        sys.exit(f'ERROR: {error}')


if __name__ == '__main__':
    main()
