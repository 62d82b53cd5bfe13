"""What tools/quickstart.sh shows of its steps, which are stand-ins here."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SET_UP = """
echo '==> the locked stack'
for n in 1 2 3; do echo "    Collecting tiny$n==1.0"; done
echo '    Installing what was collected'
echo '    MMCV has the operators of torchvision'
"""
CHECK = """
echo 'ok    numpy        2.4.6'
echo 'ok    mmcv         2.1.0, operators of torchvision'
echo 'All 2 checks passed.'
"""
FAILING_CHECK = """
echo 'ok    numpy        2.4.6'
echo 'FAIL  torch        the reason'
echo '      mend it with:  the remedy'
exit 1
"""
STEPS = (
    'tools/dataset_converters/make_synthetic_coco.py',
    'tools/test.py',
    'tools/analysis_tools/contact_sheet.py',
    'demo/image_demo.py',
    'tools/dataset_converters/make_drawn_mice.py',
    'tools/train.py',
    'tools/analysis_tools/analyze_logs.py',
    'tools/test.py',
    'tools/analysis_tools/contact_sheet.py',
)


@pytest.fixture
def quickstart(tmp_path):
    """Runs the script in a repository, with spaces in its path, whose steps say their name."""

    def run(check: str = CHECK) -> list[str]:
        root = tmp_path / 'my repository'
        files = {
            'tools/setup_env.sh': SET_UP,
            'requirements/lock.txt': '# a comment\ntiny1==1.0\ntiny2==1.0\ntiny3==1.0\n',
            'work_dirs/quickstart/mice/last_checkpoint': 'iter_1.pth',
            # Stands in for Python: runs the check, and tells how the other steps are called.
            '.venv/bin/python': f'#!/bin/bash\ncase $1 in\n*check_env.py) {check} ;;\n'
            '*) echo step "$@" ;;\nesac\n',
            **dict.fromkeys(STEPS, ''),
        }
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        (root / '.venv/bin/python').chmod(0o755)
        shutil.copy(ROOT / 'tools/quickstart.sh', root / 'tools')
        done = subprocess.run(
            ['bash', str(root / 'tools/quickstart.sh'), '--images', str(tmp_path)],
            env={**os.environ, 'DIRECTPOSE_VENV': ''},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == (check == FAILING_CHECK), done.stdout
        return done.stdout.splitlines()

    return run


def test_packages_and_passed_checks_have_no_lines_of_their_own(quickstart) -> None:
    lines = quickstart()
    assert '==> the locked stack' in lines
    assert '    MMCV has the operators of torchvision' in lines
    assert 'ok    mmcv         2.1.0, operators of torchvision' in lines
    assert 'All 2 checks passed.' in lines
    assert not [line for line in lines if 'Collecting' in line or 'numpy' in line]
    assert len(lines) < 25


def test_every_step_is_run_and_quiet(quickstart) -> None:
    called = [line.split() for line in quickstart() if line.startswith('step')]
    # The pictures' step prints a line for each picture: that goes to a file.
    assert [call[1] for call in called] == [step for step in STEPS if 'demo' not in step]
    assert all((ROOT / call[1]).is_file() for call in called)
    long = [call for call in called if call[1] in ('tools/train.py', 'tools/test.py')]
    assert all('--quiet' in call for call in long)
    # The package's model is evaluated before anything is trained, and the trained one after.
    assert [call[3] for call in long if call[1] == 'tools/test.py'] == [
        'directpose://directpose-tiny',
        'iter_1.pth',
    ]


def test_log_of_the_own_pictures_is_kept(quickstart, tmp_path) -> None:
    quickstart()
    log = tmp_path / 'my repository/work_dirs/quickstart/images.log'
    assert log.read_text().startswith('step demo/image_demo.py ')


def test_failed_check_is_shown_and_ends_the_run(quickstart) -> None:
    lines = quickstart(FAILING_CHECK)
    assert lines[-2:] == ['FAIL  torch        the reason', '      mend it with:  the remedy']
