"""A command line of the repository as a module, or run in this process."""

import importlib.util
import sys
from types import ModuleType

import pytest

from tests.conftest import ROOT


def load_tool(path: str) -> ModuleType:
    """Import the file of a command line, such as 'tools/train.py'."""
    file = ROOT / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_tool(path: str, *args: object) -> int | None:
    """Run a command line in this process, where torch is imported already.

    Args:
        path (str): The file, such as 'tools/train.py'.
        *args: Its arguments, as on a command line.

    Returns:
        int | None: What its ``main`` returns.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [path, *map(str, args)])
        return load_tool(path).main()
