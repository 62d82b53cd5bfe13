"""What a process does with the memory that it has freed."""

import ctypes
import subprocess
import sys

import pytest

from directpose.apis import keep_freed_memory

PROGRAM = """
import sys
from pathlib import Path
import torch
from directpose.apis import keep_freed_memory

def resident():
    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096

if sys.argv[1] == 'keep':
    keep_freed_memory()
before = resident()
torch.ones(2**26)  # 256 MiB, freed at once
print(resident() - before > 2**27)
"""


@pytest.mark.parametrize('argument, kept', [('keep', 'True'), ('default', 'False')])
def test_keeps_freed_memory(argument, kept):
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, argument],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == kept


class OtherLibrary:
    """What ``ctypes.CDLL(None)`` gives without glibc."""


def fail(name):
    raise TypeError('bad argument type for built-in operation')


@pytest.mark.parametrize(
    'cdll', [fail, lambda name: OtherLibrary()], ids=['Windows', 'musl and macOS']
)
def test_another_c_library_changes_nothing(monkeypatch, cdll):
    monkeypatch.setattr(ctypes, 'CDLL', cdll)
    assert keep_freed_memory() is False
