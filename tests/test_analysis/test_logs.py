"""Curves of logs whose answers are known."""

import json

import cv2
import pytest

from directpose.analysis.logs import read_curves
from tests.load_tool import load_tool

tool = load_tool('tools/analysis_tools/analyze_logs.py')


def write(path, *entries):
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(entry) + '\n' for entry in entries))
    return path


def train(iteration, loss, **fields):
    return dict(loss=loss, time=0.5, data_time=0.1, iter=iteration, step=iteration) | fields


@pytest.fixture
def run(tmp_path):
    """A run that was killed after iteration 30 and resumed from iteration 20."""
    write(
        tmp_path / 'run/20260101_000000/vis_data/scalars.json',
        train(10, 5.0, time=9.0),
        train(20, 4.0),
        {'coco/AP': 0.1, 'time': 7.0, 'data_time': 6.0, 'step': 0},
        train(30, 3.5),
    )
    write(
        tmp_path / 'run/20260102_000000/vis_data/scalars.json',
        train(30, 3.0, time=0.7),
        train(40, 2.0, time=0.6),
        {'coco/AP': 0.3, 'step': 40},
    )
    return tmp_path / 'run'


def test_logs_of_a_resumed_run_are_joined(run):
    curves = read_curves(str(run))
    assert curves['loss'] == ([10, 20, 30, 40], [5.0, 4.0, 3.0, 2.0])


def test_validations_stand_at_their_iteration(run):
    curves = read_curves(str(run))
    assert curves['coco/AP'] == ([20, 40], [0.1, 0.3])
    assert curves['time'].values == [9.0, 0.5, 0.7, 0.6]  # of training alone


def test_a_line_that_is_being_written_is_left_out(run):
    log = run / '20260102_000000/vis_data/scalars.json'
    with open(log, 'a') as file:
        file.write('{"loss": 1.')
    assert read_curves(str(log))['loss'] == ([30, 40], [3.0, 2.0])


def test_plot_curve(run, tmp_path, capsys):
    out = tmp_path / 'curves.png'
    other = write(
        tmp_path / 'b/vis_data/scalars.json', train(10, 8.0), {'coco/AP': 0.2, 'step': 10}
    )
    tool.main(['plot_curve', str(run), str(other), '--legend', 'a', 'b', '--out', str(out)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:3]] == [['a', '2', '2', '5'], ['b', '8', '8', '8']]
    assert [line.split() for line in lines[4:6]] == [
        ['a', '0.3', '0.1', '0.3'],
        ['b', '0.2', '0.2', '0.2'],
    ]
    assert cv2.imread(str(out)).std() > 10


def test_cal_train_time_leaves_the_start_out(run, capsys):
    tool.main(['cal_train_time', str(run)])
    text = capsys.readouterr().out
    assert '0.6000 s a step (fastest 0.5000, slowest 0.7000), 16.7 % of it waiting' in text


def test_what_is_no_log_is_refused(run, tmp_path):
    with pytest.raises(SystemExit, match='no such log'):
        tool.main(['cal_train_time', str(tmp_path / 'nowhere')])
    with pytest.raises(SystemExit, match='has no `acc`; it has coco/AP, data_time, loss, time'):
        tool.main(['plot_curve', str(run), '--keys', 'acc', '--out', str(tmp_path / 'a.png')])
    with pytest.raises(SystemExit, match='has no `lss`; did you mean loss'):
        tool.main(['plot_curve', str(run), '--keys', 'lss', '--out', str(tmp_path / 'a.png')])
    text = tmp_path / 'train.log'
    for content in (
        b'2026/01/01 - mmengine - INFO\nend\n',
        b'[1]\n',
        b'\xff\n{}\n',
    ):
        text.write_bytes(content)
        with pytest.raises(SystemExit, match='line 1 is not an object of JSON'):
            tool.main(['cal_train_time', str(text)])
    text.write_text('{"iter": "1"}')
    with pytest.raises(SystemExit, match='line 1 has no whole number as `iter`'):
        tool.main(['cal_train_time', str(text)])
