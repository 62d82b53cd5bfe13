"""What several command lines check in the same way."""

import cv2
import numpy as np
import pytest

from directpose.cli.images import write_image
from directpose.cli.options import check_output
from directpose.errors import UserError
from tests.load_tool import run_tool


@pytest.mark.parametrize(
    'command',
    [
        'analysis_tools/analyze_logs.py plot_curve gone --out {out}',
        'analysis_tools/analyze_results.py gone.json gone.json --out-dir {out}',
        'analysis_tools/benchmark.py gone.py --out {out}',
        'analysis_tools/browse_dataset.py gone.py --out-dir {out}',
        'analysis_tools/contact_sheet.py gone {out}',
        'analysis_tools/draw_kpalign.py gone.jpg gone.py gone.pth {out}',
        'analysis_tools/plot_cost.py gone.py {out}',
        'analysis_tools/plot_people_cost.py gone.py {out}',
        'check_dataset.py gone.json gone --json {out}',
    ],
)
def test_an_output_that_cannot_be_written_is_found_before_anything_is_read(command, tmp_path):
    (tmp_path / 'file').touch()
    out = tmp_path / 'file' / 'out.png'
    tool, *words = command.format(out=out).split()
    with pytest.raises(SystemExit, match=f'error: [a-z-]+ {out}: nothing can be written there'):
        run_tool(f'tools/{tool}', *words)


def test_a_file_to_write_gets_its_folder(tmp_path):
    check_output(tmp_path / 'new' / 'out.PNG', '--out', ('.jpg', '.png'))
    assert list((tmp_path / 'new').iterdir()) == []
    check_output('/dev/null', '--out')
    with pytest.raises(UserError, match='--out .*new: this is a folder; give a file'):
        check_output(tmp_path / 'new', '--out')
    with pytest.raises(UserError, match='--out out.txt: end the name with .jpg or .png'):
        check_output('out.txt', '--out', ('.jpg', '.png'))


@pytest.mark.parametrize(
    'command',
    [
        'analyze_results.py results.json annotations.json',
        'compare_poses.py first.json second.json',
        'draw_kpalign.py image.jpg config.py model.pth out.png',
    ],
)
def test_a_score_that_none_can_reach_is_refused(command, capsys):
    tool, *words = command.split()
    with pytest.raises(SystemExit):
        run_tool(f'tools/analysis_tools/{tool}', *words, '--score-thr', '30')
    assert "--score-thr: give a number from 0 to 1, not '30'" in capsys.readouterr().err


def test_a_picture_that_cannot_be_written_is_told(tmp_path):
    image = np.full((8, 8, 3), 200, np.uint8)
    write_image(tmp_path / 'good.png', image)
    assert (cv2.imread(str(tmp_path / 'good.png')) == image).all()
    (tmp_path / 'bad.png').symlink_to('/dev/full')  # every write finds a full disk
    for bad in (tmp_path / 'bad.png', tmp_path / 'absent' / 'bad.png'):
        with pytest.raises(UserError, match='bad.png: cannot be written: No '):
            write_image(bad, image)
