"""What the Slurm scripts ask of srun, by an srun that only repeats it."""

import os
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture
def slurm(tmp_path):
    """Run a script of tools/ and get srun's arguments."""
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)

    def run(script, *args, **environment):
        return subprocess.run(
            ['bash', str(TOOLS / script), *args],
            env=dict(
                os.environ, PATH=f'{tmp_path}:{os.environ["PATH"]}', PYTHON='python', **environment
            ),
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.parametrize(
    'tool, files', [('train', ['my config.py']), ('test', ['my config.py', 'model.pth'])]
)
def test_srun(slurm, tool, files):
    done = slurm(
        f'slurm_{tool}.sh',
        'part',
        'job',
        *files,
        '--work-dir',
        'a b',
        GPUS='16',
        GPUS_PER_NODE='8',
        SRUN_ARGS='--quiet --time=9',
    )
    args = done.stdout.splitlines()
    assert args[args.index('--partition') + 1] == 'part'
    assert args[args.index('--ntasks') + 1] == '16'
    assert args[args.index('--ntasks-per-node') + 1] == '8'
    assert {'--quiet', '--time=9'} < set(args)
    assert args[args.index('python') :] == [
        'python',
        '-u',
        str(TOOLS / f'{tool}.py'),
        *files,
        '--launcher',
        'slurm',
        '--work-dir',
        'a b',
    ]


@pytest.mark.parametrize(
    'script', ['slurm_train.sh', 'slurm_test.sh', 'dist_train.sh', 'dist_test.sh']
)
def test_usage(slurm, script):
    done = slurm(script, 'one')
    assert done.returncode == 2
    assert done.stderr.startswith(f'usage: bash tools/{script}')
