import json
from types import SimpleNamespace

import pytest

from tests.coco_files import person, write_coco
from tests.load_tool import load_tool


def points(n):
    return {i: (5 + i, 6 + i) for i in range(n)}


@pytest.fixture
def run(capsys):
    """Run the tool; the exit status, what was printed, and the error."""
    tool = load_tool('tools/dataset_converters/make_coco_subset.py')

    def call(ann_file, images, out, *options):
        status, error = 0, ''
        try:
            tool.main(list(map(str, [ann_file, images, out, *options])))
        except SystemExit as stop:
            status, error = 1, str(stop)
        return SimpleNamespace(returncode=status, stdout=capsys.readouterr().out, stderr=error)

    return call


def read(out, part):
    return json.loads((out / 'annotations' / f'person_keypoints_{part}2017.json').read_text())


@pytest.fixture
def source(tmp_path):
    """Images 3, 4, 7 and 8 are wanted by default, each other one breaks a rule."""
    large = dict(area=5000)
    people = [
        person(points(9), 1, 1, **large),  # too few keypoints
        person(points(17), 2, 2, area=4096),  # not more than 64 x 64
        person(points(5), 3, 3, **large),
        person(points(5), 4, 3, **large),
        person(points(17), 5, 4, **large),
        person({}, 6, 4, area=9),  # the unlabelled may be small
        person(points(17), 7, 5, **large),
        person({}, 8, 5, iscrowd=1, **large),
        *(person(points(9), 10 + i, 6, **large) for i in range(5)),  # too many
        *(person(points(9), 20 + i, 7, **large) for i in range(4)),
        person(points(17), 30, 8, **large),
    ]
    ann_file = write_coco(tmp_path / 'source', people, num_images=9)
    return ann_file, tmp_path / 'source' / 'train2017'


def test_subset_is_laid_out_as_coco_with_all_annotations(run, source, tmp_path):
    out = tmp_path / 'out'
    result = run(*source, out, '--num', 3)
    assert result.returncode == 0, result.stderr
    assert '3 images with 7 people' in result.stdout
    for part in ('train', 'val'):
        coco = read(out, part)
        assert [image['id'] for image in coco['images']] == [3, 4, 7]
        assert [ann['id'] for ann in coco['annotations']] == [3, 4, 5, 6, 20, 21, 22, 23]
        assert coco['categories'] == json.loads(source[0].read_text())['categories']
        written = sorted((out / f'{part}2017').iterdir())
        assert [path.name for path in written] == [i['file_name'] for i in coco['images']]
        for path in written:
            assert path.read_bytes() == (source[1] / path.name).read_bytes()


def test_options_widen_the_choice(run, source, tmp_path):
    def chosen(*options):
        out = tmp_path / '_'.join(map(str, options))
        result = run(*source, out, *options)
        assert result.returncode == 0, result.stderr
        return [image['id'] for image in read(out, 'train')['images']]

    assert chosen('--num', 4) == [3, 4, 7, 8]
    assert chosen('--num', 5, '--min-keypoints', 9) == [1, 3, 4, 7, 8]
    assert chosen('--num', 5, '--min-area', 0) == [2, 3, 4, 7, 8]
    assert chosen('--num', 5, '--allow-crowd') == [3, 4, 5, 7, 8]
    assert chosen('--num', 5, '--max-people', 5) == [3, 4, 6, 7, 8]
    assert chosen('--num', 2, '--min-people', 2) == [3, 7]


def test_impossible_demands_are_refused_and_nothing_is_written(run, source, tmp_path):
    out = tmp_path / 'out'
    result = run(*source, out)
    assert result.returncode == 1
    assert 'only 4 of the 9 images' in result.stderr and '--num asks for 12' in result.stderr
    assert not out.exists()

    (source[1] / '000000000004.jpg').unlink()
    result = run(*source, out, '--num', 4)
    assert result.returncode == 1
    assert '000000000004.jpg' in result.stderr and str(source[1]) in result.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{"images": [', 'is not a JSON file'),
        ('[]', 'is not a COCO annotation file'),
        ('{"images": [], "annotations": []}', 'it needs "categories"'),
        (None, 'No such file'),
    ],
)
def test_unreadable_annotations_are_named(run, tmp_path, content, message):
    ann_file = tmp_path / 'a.json'
    if content:
        ann_file.write_text(content)
    result = run(ann_file, tmp_path, tmp_path / 'out')
    assert result.returncode == 1
    assert message in result.stderr and str(ann_file) in result.stderr


def test_a_file_of_boxes_alone_is_named(run, source, tmp_path):
    coco = json.loads(source[0].read_text())
    for ann in coco['annotations']:
        del ann['keypoints']
    source[0].write_text(json.dumps(coco))
    result = run(*source, tmp_path / 'out')
    assert f'annotation 1 of {source[0]} has no "keypoints"' in result.stderr
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'name', ['../escaped.jpg', 'a/../../escaped.jpg', '{tmp_path}/escaped.jpg']
)
def test_a_file_name_that_leads_out_of_the_folder_is_refused(run, source, tmp_path, name):
    name = name.format(tmp_path=tmp_path)
    (source[1] / 'a').mkdir()
    (source[1] / name).write_bytes(b'a picture')
    coco = json.loads(source[0].read_text())
    coco['images'][2]['file_name'] = name
    source[0].write_text(json.dumps(coco))
    result = run(*source, tmp_path / 'out', '--num', 3)
    assert result.returncode == 1 and f'file_name {name!r} leads out' in result.stderr
    assert not (tmp_path / 'out').exists()


def test_a_byte_order_mark_is_read(run, source, tmp_path):
    source[0].write_text(source[0].read_text(), encoding='utf-8-sig')
    assert run(*source, tmp_path / 'out', '--num', 3).returncode == 0


def test_an_existing_directory_is_left_alone(run, source, tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'precious').touch()
    result = run(*source, out, '--num', 1)
    assert result.returncode == 1 and 'exists already' in result.stderr
    assert [path.name for path in out.iterdir()] == ['precious']


def test_a_person_without_area_is_named(run, tmp_path):
    annotation = person(points(17), 77)
    del annotation['area']
    ann_file = write_coco(tmp_path / 'source', [annotation])
    result = run(ann_file, tmp_path / 'source' / 'train2017', tmp_path / 'out', '--num', 1)
    assert result.returncode == 1 and 'annotation 77 of' in result.stderr


def test_default_choice_from_photographs(run, coco_mini, tmp_path):
    """The twelve images on which the overfit config is judged."""
    ann_file = coco_mini / 'annotations' / 'person_keypoints_train.json'
    result = run(ann_file, coco_mini / 'images', tmp_path / 'out')
    assert result.returncode == 0, result.stderr
    ids = [image['id'] for image in read(tmp_path / 'out', 'val')['images']]
    assert ids == [
        790, 9483, 30752, 37666, 84533, 100667, 136334, 165518, 181303, 183872, 222564, 229358,
    ]  # fmt: skip
