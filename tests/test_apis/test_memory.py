"""What a process does with the memory that it has freed."""

import subprocess
import sys

import pytest

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
