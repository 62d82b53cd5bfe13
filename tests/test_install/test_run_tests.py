"""tools/run_tests.sh, whose Python is a stand-in that says how it is called."""

import os
import shutil
import subprocess

import pytest

from tests.conftest import ROOT

STYLE = ['-m ruff check .', '-m ruff format --check .', '-m mypy']


@pytest.fixture
def run(tmp_path):
    """Runs the script; the exit status, and the calls of Python. A call with `failing` fails."""

    def call(
        *arguments: str, cores: int = 2, failing: str = 'nothing', free: int = 1000
    ) -> tuple[int, list[str]]:
        programs = {
            'tools/setup_env.sh': 'true',
            '.venv/bin/python': f'echo "$*"; [[ "$*" != *"{failing}"* ]]',
            'bin/nproc': f'echo {cores}',
            'bin/df': f'echo Avail; echo "   {free}"',
        }
        for name, line in programs.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'#!/bin/bash\n{line}\n')
            path.chmod(0o755)
        shutil.copy(ROOT / 'tools/run_tests.sh', tmp_path / 'tools')
        path = f'{tmp_path}/bin:{os.environ["PATH"]}'
        done = subprocess.run(
            ['bash', str(tmp_path / 'tools/run_tests.sh'), *arguments],
            env={**os.environ, 'DIRECTPOSE_VENV': '', 'PATH': path},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.splitlines()

    return call


def test_arguments_are_those_of_pytest(run):
    assert run('tests/a', '-k', 'b') == (0, [*STYLE, '-m pytest tests/a -k b'])


def test_one_core_runs_one_pytest(run):
    assert run(cores=1) == (0, [*STYLE, '-m pytest'])


def test_two_cores_run_every_test_once(run):
    slow = '-m pytest -m slow -o cache_dir=.pytest_cache/slow'
    assert run() == (0, [*STYLE, '-m pytest -m not slow', slow])


@pytest.mark.parametrize('failing', ['ruff check', 'ruff format', 'mypy', '-m slow', '-m not slow'])
def test_each_failure_counts_and_hides_nothing(run, failing):
    status, calls = run(failing=failing)
    assert status == 1 and len(calls) == 5


def test_little_space_for_all_tests_is_told(run, capfd, monkeypatch, tmp_path):
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    run()
    run('tests/a', free=999)
    assert capfd.readouterr().err == ''
    run(free=999)
    assert capfd.readouterr().err == (
        f'WARNING: {tmp_path} has less than 1 GB free, which the tests need: make room, or name '
        'a folder on another disk in TMPDIR.\n'
    )
