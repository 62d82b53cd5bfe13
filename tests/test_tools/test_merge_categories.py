"""One category of many, as AP-10K needs it."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS

from directpose.dataset_check import check_annotations, load_annotations
from tests.coco_files import person, write_coco

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/dataset_converters/merge_categories.py'
main = runpy.run_path(str(TOOL))['main']

AP10K = Config.fromfile(ROOT / 'configs/_base_/datasets/ap10k_keypoints.py')
NAMES = ['L_Eye', 'R_Eye', 'Nose', 'Neck', 'Root of tail', 'L_Shoulder', 'L_Elbow', 'L_F_Paw',
         'R_Shoulder', 'R_Elbow', 'R_F_Paw', 'L_Hip', 'L_Knee', 'L_B_Paw', 'R_Hip', 'R_Knee',
         'R_B_Paw']  # fmt: skip
SHARED = dict(keypoints=NAMES, skeleton=[[1, 2], [1, 3]])


def animal(ann_id, image_id, category_id):
    points = {k: (5 + 2 * k + ann_id, 4 + 2 * k) for k in range(17)}
    return person(points, ann_id, image_id, category_id=category_id)


@pytest.fixture
def species(tmp_path):
    """Two images of three animals of the categories 1, 5 and 9, laid out as AP-10K."""
    ann_file = write_coco(
        tmp_path, [animal(1, 1, 5), animal(2, 1, 9), animal(3, 2, 1)], 2, part='data'
    )
    ann_file = ann_file.rename(ann_file.with_name('ap10k-train-split1.json'))
    coco = json.loads(ann_file.read_text())
    coco['info'] = dict(version='1')
    coco['categories'] = [
        dict(id=i, name=name, supercategory='Bovidae', **SHARED)
        for i, name in ((1, 'antelope'), (5, 'buffalo'), (9, 'cow'))
    ]
    ann_file.write_text(json.dumps(coco))
    return ann_file


def edit(ann_file, change):
    coco = json.loads(ann_file.read_text())
    change(coco)
    ann_file.write_text(json.dumps(coco))


def merge(ann_file, out=None):
    out = out or ann_file.with_name('ap10k-train-split1_animal.json')
    main([str(ann_file), str(out), '--name', 'animal'])
    return out


def test_all_but_the_categories_is_kept(species, capsys):
    before = json.loads(species.read_text())
    out = merge(species)
    assert '3 annotations of 3 categories' in capsys.readouterr().out
    assert json.loads(species.read_text()) == before
    after = json.loads(out.read_text())
    assert after.pop('categories') == [dict(id=1, name='animal', supercategory='animal', **SHARED)]
    assert [ann.pop('category_id') for ann in after['annotations']] == [1, 1, 1]
    before.pop('categories')
    assert [ann.pop('category_id') for ann in before['annotations']] == [5, 9, 1]
    assert after == before
    assert sorted(path.name for path in out.parent.iterdir()) == [species.name, out.name]


def test_the_name_of_the_output_needs_no_ending(species):
    out = merge(species, species.with_name('merged'))
    assert len(json.loads(out.read_text())['annotations']) == 3


def test_the_config_reads_what_is_written(species):
    """The command line of the config's comment, and the config's own data set."""
    merge(species)
    init_default_scope('mmpose')
    cfg = dict(AP10K.train_dataloader.dataset, data_root=str(species.parents[1]), pipeline=[])
    dataset = DATASETS.build(cfg)
    assert dataset.metainfo['dataset_name'] == 'ap10k'
    assert list(dataset.metainfo['keypoint_id2name'].values()) == NAMES
    assert [len(dataset[i]['keypoints']) for i in range(len(dataset))] == [2, 1]
    truth = json.loads(species.read_text())['annotations'][2]['keypoints']
    assert np.allclose(dataset[1]['keypoints'][0], np.reshape(truth, (17, 3))[:, :2])
    data = load_annotations(dataset.ann_file, str(species.parents[1] / 'data'), 'ap10k.py')
    assert check_annotations(data) == []


def test_the_config_names_this_tool():
    text = (ROOT / 'configs/_base_/datasets/ap10k_keypoints.py').read_text()
    assert 'tools/dataset_converters/merge_categories.py' in text
    ann_file = AP10K.train_dataloader.dataset.ann_file
    assert ann_file in text.replace('{train,val,test}', 'train')


@pytest.mark.parametrize('field', ['keypoints', 'skeleton'])
@pytest.mark.parametrize('value', [[[2, 1]], None])
def test_other_keypoints_are_refused(species, field, value):
    def change(coco):
        if value is None:
            del coco['categories'][2][field]
        else:
            coco['categories'][2][field] = value

    edit(species, change)
    with pytest.raises(SystemExit) as error:
        merge(species)
    assert str(error.value).startswith(f'error: {species}: the {field} of category 9 (cow) are')
    assert 'category 1 (antelope)' in str(error.value)
    assert list(species.parent.iterdir()) == [species]


def test_an_annotation_without_category_is_refused(species):
    edit(species, lambda coco: coco['annotations'][1].update(category_id=7))
    with pytest.raises(SystemExit, match='annotation 2 is of category 7, which is not in'):
        merge(species)


def test_a_file_without_categories_is_refused(species):
    edit(species, lambda coco: coco.update(categories=[], annotations=[]))
    with pytest.raises(SystemExit, match='lists no category'):
        merge(species)


def test_the_input_is_not_overwritten(species, tmp_path):
    before = species.read_bytes()
    link = tmp_path / 'link.json'
    link.symlink_to(species)
    for out in (species, species.parent / '../annotations' / species.name, link):
        with pytest.raises(SystemExit, match='is the file to read'):
            merge(species, out)
    assert species.read_bytes() == before


def test_an_output_that_cannot_be_written_is_one_clear_line(species, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(SystemExit, match=f'error: .*{tmp_path}/file'):
        merge(species, tmp_path / 'file/merged.json')


def test_unusable_input_is_one_clear_line(tmp_path):
    ann_file = tmp_path / 'a.json'
    for content, message in ((None, 'No such file'), ('{', 'is not a JSON file')):
        if content:
            ann_file.write_text(content)
        with pytest.raises(SystemExit, match=message) as error:
            merge(ann_file)
        assert str(error.value).startswith('error: ')
        assert str(ann_file) in str(error.value)
