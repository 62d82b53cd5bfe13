"""A command line of tools/ as a module."""

import importlib.util
from types import ModuleType

from tests.conftest import ROOT


def load_tool(path: str) -> ModuleType:
    """Import a file of tools/, such as 'analysis_tools/analyze_logs.py'."""
    file = ROOT / 'tools' / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
