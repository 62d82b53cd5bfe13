"""The settings of pytest and the fixtures for all tests, on a suite of one test."""

import os
import shutil
import subprocess
import sys

from tests.conftest import ROOT

MAKE_FOLDER = 'import tempfile; tempfile.mkdtemp()'
TEST = f"""
import multiprocessing.util, subprocess, sys

def test_of_folders(tmp_path):
    (tmp_path / 'large.bin').touch()
    multiprocessing.util.get_temp_dir()
    exec({MAKE_FOLDER!r})
    subprocess.run([sys.executable, '-c', {MAKE_FOLDER!r}], check=True)
"""


def test_passed_tests_leave_no_files_behind(tmp_path):
    suite, temporary = tmp_path / 'suite', tmp_path / 'temporary'
    temporary.mkdir()
    (suite / 'tests').mkdir(parents=True)
    for name in ('pyproject.toml', 'tests/conftest.py'):
        shutil.copy(ROOT / name, suite / name)
    (suite / 'tests/test_folders.py').write_text(TEST)
    done = subprocess.run(
        [sys.executable, '-m', 'pytest'],
        cwd=suite,
        env={**os.environ, 'TMPDIR': str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, '')
    (folder,) = temporary.iterdir()
    assert folder.name.startswith('pytest-of-') and not list(folder.iterdir())
