"""Pictures of what training sees."""

import re

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData

from directpose.analysis import labelled_person
from directpose.drawing import TINTS
from tests.conftest import ROOT
from tests.load_tool import load_tool
from tests.steps import build_model

CONFIG = ROOT / 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py'
tool = load_tool('tools/analysis_tools/browse_dataset.py')


@pytest.fixture(scope='module')
def head():
    return build_model(Config.fromfile(CONFIG)).head


def test_locations_of_a_person(head):
    """A box from 10 to 86: its centre is (48, 48), and it is the finest level's."""
    assert head.center_sample_radius == 1.5 and head.strides[0] == 8
    locations, person = tool.assign(head, labelled_person(17, 96, 96), divisor=32)
    assert person.unique().tolist() == [-1, 0]
    # Strictly within 12 px of the centre are 44 and 52 of 4, 12, 20, ...
    points = locations.points[person == 0].tolist()
    assert sorted(points) == [[44, 44], [44, 52], [52, 44], [52, 52]]
    assert len(person) == 12**2 + 6**2 + 3**2 + 2**2 + 1


def test_dots_have_the_place_and_the_tint_of_their_person(head):
    metainfo = dict(skeleton_links=[], keypoint_id2name={0: 'nose'})
    people = InstanceData(
        bboxes=np.array([[0.0, 0, 1, 1], [0, 0, 1, 1]]),
        keypoints=np.zeros((2, 1, 2)),
        keypoints_visible=np.zeros((2, 1)),
    )
    locations, person = tool.assign(head, labelled_person(17, 320, 320), divisor=32)
    person[:] = -1
    person[(locations.points == torch.tensor([100, 204])).all(1)] = 1
    drawn = tool.draw(np.full((320, 320, 3), 128, np.uint8), people, locations, person, metainfo)
    assert drawn.shape == (640, 640, 3)
    assert tuple(drawn[2 * 204, 2 * 100][::-1]) == TINTS[1]
    assert (drawn[100:300, 250:] == 128).all()


def test_command_draws_and_counts(synthetic_coco, tmp_path, capsys):
    arguments = [str(CONFIG), '--data-root', f'{synthetic_coco}/', '--number', '4']
    texts, pictures = [], []
    for name in ('a', 'b'):
        tool.main([*arguments, '--out-dir', str(tmp_path / name), '--seed', '3'])
        texts.append(capsys.readouterr().out.replace(str(tmp_path / name), 'DIR'))
        pictures.append([cv2.imread(str(f)) for f in sorted((tmp_path / name).glob('*.jpg'))])
    assert 'of 6 pictures drawn into DIR' in texts[0]
    assert texts[0][texts[0].index('people by') :] == texts[1][texts[1].index('people by') :]
    assert len(pictures[0]) == 4
    # The seed makes pictures and augmentation again.
    assert all((a == b).all() for a, b in zip(*pictures))
    people = re.findall(r'^  (?:none|1 to 3|4 or more) +(\d+)$', texts[0], re.MULTILINE)
    assert len(people) == 3 and sum(map(int, people)) > 0


def test_data_of_several_folders_moves(synthetic_coco, tmp_path, capsys):
    cfg = Config.fromfile(CONFIG)
    dataset = cfg.train_dataloader.dataset
    members = [dict(dataset, data_root=root, pipeline=[]) for root in ('a', 'b')]
    cfg.train_dataloader.dataset = dict(
        type='CombinedDataset',
        metainfo=dict(from_file='configs/_base_/datasets/coco.py'),
        datasets=members,
        pipeline=dataset.pipeline,
    )
    cfg.dump(tmp_path / 'config.py')
    roots = [f'--data-root={root}={synthetic_coco}' for root in ('a', 'b')]
    out = ['--number', '1', '--out-dir', str(tmp_path / 'out')]
    tool.main([str(tmp_path / 'config.py'), *roots, *out])
    assert '1 of 12 pictures drawn' in capsys.readouterr().out


def test_missing_data_is_named(tmp_path):
    with pytest.raises(SystemExit, match='no such annotation file'):
        tool.main([str(CONFIG), '--data-root', str(tmp_path), '--out-dir', str(tmp_path / 'out')])


def test_a_seed_that_numpy_does_not_take_is_refused(capsys):
    with pytest.raises(SystemExit, match='^2$'):
        tool.parse_args([str(CONFIG), '--out-dir', 'browse', '--seed', str(2**32)])
    assert f'--seed: give a whole number from 0 to {2**32 - 1}' in capsys.readouterr().err
