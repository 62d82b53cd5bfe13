"""The fenced blocks of the pages, and the commands in them as bash understands them."""

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

RECORDER = r"""#!/bin/sh
# Writes down how it is called: words end with \0, and a call ends with \1.
{
  printf '%s\0' "${0##*/}" "$@"
  if [ "$1" = - ]; then cat; printf '\0'; fi
  printf '\001'
} >> "$CALLS"
# A training makes this folder, and tools/ablations.sh writes into it.
for word; do
  if [ "$last" = --work-dir ]; then mkdir -p "$word"; fi
  last=$word
done
"""
RECORDED = ('curl', 'directpose', 'pip', 'pytest', 'python', 'srun', 'trtexec', 'uvicorn')


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    language: str
    text: str

    @property
    def key(self) -> tuple[str, str]:
        """The page and the block's first line."""
        return self.page, self.text.partition('\n')[0].strip()

    @property
    def pieces(self) -> list[str]:
        """The commands of a shell block, or the whole block of another language."""
        if self.language not in ('bash', 'shell'):
            return [self.text]
        # A line that ends with a backslash goes on, and so does a text up to END.
        pattern = r"(?:.*<<'END'\n(?:.*\n)*?END\n|(?:.*\\\n)*.*\n)"
        return re.findall(pattern, self.text)


def read_blocks(page: str) -> list[Block]:
    """All fenced blocks of a page, as written.

    Args:
        page (str): The page, from the root of the repository.

    Returns:
        list[Block]: The blocks, in their order.
    """
    text = (ROOT / page).read_text()
    found = re.findall(r'^( *)```([^\n`]*)\n(.*?)^\1```', text, re.MULTILINE | re.DOTALL)
    return [Block(page, language.strip(), inside) for _, language, inside in found]


def record_commands(text: str, folder: Path) -> list[list[str]]:
    """Let bash run a text, with programs that only write down how they are called.

    bash itself reads variables, quotes and loops, and it starts the scripts that are shell.

    Args:
        text (str): Commands.
        folder (Path): Where bash runs.

    Returns:
        list[list[str]]: The words of each call. What ``python -`` reads is its last word.
    """
    programs, calls = folder / '.programs', folder / '.calls'
    programs.mkdir(exist_ok=True)
    for name in RECORDED:
        (programs / name).write_text(RECORDER)
        (programs / name).chmod(0o755)
    calls.write_text('')
    paths = f'{programs}{os.pathsep}{os.environ["PATH"]}'
    env = dict(os.environ, PATH=paths, PYTHON='python', CALLS=str(calls))
    done = subprocess.run(
        ['bash', '-eu', '-c', text], cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [call.split('\0')[:-1] for call in calls.read_text().split('\1')[:-1]]


def one_line(piece: str) -> str:
    """A command without its line breaks, or the first line of another text."""
    return re.sub(r'\s*\\\n\s*', ' ', piece).partition('\n')[0].strip()
