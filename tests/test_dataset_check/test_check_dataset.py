"""The command line of the data set check."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from directpose.dataset_check import COCO_METAINFO, KINDS
from directpose.dataset_check.annotations import KEYPOINT_LISTS
from tests.coco_files import person, write_coco

TOOL = Path(__file__).parents[2] / 'tools/check_dataset.py'
main = runpy.run_path(str(TOOL))['main']

POINTS = {k: (5 + 3 * k, 4 + 2 * k) for k in range(17)}


def run(capsys, *args):
    """Exit status and output of the tool."""
    status = main([str(arg) for arg in args])
    return status, capsys.readouterr().out


def test_sound_data(synthetic_coco):
    ann_file = next(synthetic_coco.glob('annotations/person_keypoints_train*.json'))
    process = subprocess.run(
        [sys.executable, TOOL, ann_file, next(synthetic_coco.glob('train*'))],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert 'Summary of' in process.stdout
    assert '\n0 error(s), ' in process.stdout


def test_errors_are_listed_up_to_the_limit_and_all_in_json(tmp_path, capsys):
    people = [person(POINTS, k + 1) for k in range(4)]
    for entry in people[:3]:
        del entry['area']
    people[3]['num_keypoints'] = 3
    ann_file = write_coco(tmp_path, people)
    report = tmp_path / 'new/report'
    status, output = run(capsys, ann_file, tmp_path / 'train2017', '--limit', 2, '--json', report)
    assert status == 1
    lines = output.splitlines()
    start = lines.index('error: missing-area (3)')
    for line, ann_id in zip(lines[start + 1 : start + 3], (1, 2), strict=True):
        assert line.startswith(f'  annotation {ann_id} of image 1 (000000000001.jpg): has no area')
    assert lines[start + 3] == '  ... and 1 more; --json FILE writes them all'
    assert lines[start + 4].startswith("  -> Write the person's area in square pixels")
    assert lines.index('warning: num_keypoints (1)') > start
    assert '3 error(s), 1 warning(s), 0 note(s)' in lines

    written = json.loads(report.read_text())
    assert written['summary']['people'] == 4
    assert [finding['kind'] for finding in written['findings']] == 3 * ['missing-area'] + [
        'num_keypoints'
    ]
    assert set(written['findings'][0]) == {'level', 'kind', 'where', 'message', 'remedy'}

    status, output = run(capsys, ann_file, tmp_path / 'train2017', '--no-area')
    assert status == 0 and '1 warning(s)' in output


def test_a_disk_that_fills_up_is_told_with_the_file(synthetic_coco, tmp_path):
    out = tmp_path / 'findings.json'
    out.symlink_to('/dev/full')  # every write finds a full disk
    ann = synthetic_coco / 'annotations/person_keypoints_val2017.json'
    with pytest.raises(SystemExit, match=f'error: {out}: No space left on device'):
        main([str(ann), str(synthetic_coco / 'val2017'), '--json', str(out)])


def test_options_reach_the_checks(tmp_path, capsys):
    ann_file = write_coco(tmp_path, [person(POINTS)])
    image = tmp_path / 'train2017/000000000001.jpg'
    image.write_bytes(image.read_bytes()[:-100])
    status, output = run(capsys, ann_file, image.parent)
    assert status == 1 and 'error: image-unreadable (1)' in output
    status, output = run(capsys, ann_file, image.parent, '--headers-only')
    assert status == 0
    status, output = run(capsys, ann_file, image.parent, '--headers-only', '--min-keypoints', 18)
    assert status == 1 and 'note: image-few-keypoints (1)' in output
    status, output = run(capsys, ann_file, image.parent, '--headers-only', '--max-pixels', 100)
    assert status == 1 and 'limit of 100' in output
    metainfo = tmp_path / 'metainfo.py'
    metainfo.write_text(
        'dataset_info = dict(dataset_name="bird", keypoint_info={0: dict(name="beak")}, '
        'skeleton_info={}, joint_weights=[1.0], sigmas=[0.05])'
    )
    status, output = run(capsys, ann_file, image.parent, '--metainfo', metainfo)
    assert status == 1 and f'has 17 keypoints, {metainfo} 1' in output


def test_whole_body(tmp_path, capsys):
    """Its keypoints stand in five lists."""
    others = {name: [20, 20, 2] * count for name, count in KEYPOINT_LISTS.items()}
    del others['keypoints']
    metainfo = ('--metainfo', COCO_METAINFO.replace('coco.py', 'coco_wholebody.py'))
    ann_file = write_coco(tmp_path, [person(POINTS, **others)])
    status, output = run(capsys, ann_file, tmp_path / 'train2017', *metainfo)
    assert status == 0 and '0 error(s), 0 warning(s), 0 note(s)' in output
    ann_file.write_text(ann_file.read_text().replace('face_kpts', 'other'))
    status, output = run(capsys, ann_file, tmp_path / 'train2017', *metainfo)
    assert status == 1 and 'has 65 keypoints (keypoints 17, foot_kpts 6, face_kpts 0, ' in output


def test_names_are_printed_as_they_are(tmp_path, capsys):
    ann_file = write_coco(tmp_path, [person(POINTS)])
    name = '[red]' + 'long' * 50 + ':smile:.jpg'
    coco = json.loads(ann_file.read_text())
    coco['images'][0]['file_name'] = name
    ann_file.write_text(json.dumps(coco))
    _, output = run(capsys, ann_file, tmp_path / 'train2017')
    assert f'  image 1 ({name}): there is no file ' in output


def test_unusable_input_is_one_clear_line(tmp_path):
    file = tmp_path / 'ann.json'
    file.write_text('{"images": [')
    for ann_file, message in (
        (file, 'is not a JSON file'),
        ('none.json', 'none.json: No such file'),
    ):
        with pytest.raises(SystemExit, match=message) as exit_:
            main([str(ann_file), str(tmp_path)])
        # A text is printed to stderr, with status 1.
        assert exit_.value.code.startswith('error: ')


@pytest.mark.parametrize('option', ['--min-keypoints', '--max-pixels', '--limit'])
def test_numbers_below_zero_are_refused(option, capsys):
    with pytest.raises(SystemExit, match='^2$'):
        main(['ann.json', 'images', option, '-1'])
    assert f'argument {option}: give a whole number from' in capsys.readouterr().err


@pytest.mark.parametrize('part', ['train', 'val'])
def test_coco_is_sound(coco_mini, capsys, part):
    status, output = run(
        capsys,
        coco_mini / f'annotations/person_keypoints_{part}.json',
        coco_mini / 'images',
    )
    assert status == 0
    assert '\n0 error(s), ' in output
    assert 'note: no-keypoints' in output


def test_documentation_names_every_kind_with_its_level():
    text = (TOOL.parents[1] / 'docs/en/check_dataset.md').read_text()
    _, *parts = re.split(r'^\*\*(?:Errors|Warnings|Notes)\*\*', text, flags=re.MULTILINE)
    for level, part in zip(('error', 'warning', 'note'), parts, strict=True):
        first_cells = re.findall(r'^\| (`.*?) \|', part, flags=re.MULTILINE)
        documented = re.findall(r'`([^`]+)`', ' '.join(first_cells))
        assert sorted(documented) == sorted(kind for kind in KINDS if KINDS[kind][0] == level)
