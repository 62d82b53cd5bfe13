"""Models by name: config, weights and exported file belong together, and find drawn people."""

import json

import numpy as np
import pytest
from mmengine.config import Config
from mmpose.apis import MMPoseInferencer
from synthetic import write_dataset

from directpose.apis import named_model
from directpose.cli.checkpoint import load_checkpoint_file
from directpose.engine.checkpoint_fit import check_weights
from directpose.runtime import DirectPose
from tests.steps import build_model

NAME = 'directpose-tiny'
COCO_SIGMAS = 0.001 * np.array(
    [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]
)


def test_weights_are_those_of_the_config():
    config, weights = named_model('directpose-tiny')
    assert named_model('directpose_efficientnet-lite0_fpn_scores_1xb16-300_synthetic') == (
        config,
        weights,
    )
    model = build_model(Config.fromfile(config))
    check_weights(model, load_checkpoint_file(weights), weights, for_training=True)


def test_wrong_name_says_the_right_one():
    with pytest.raises(ValueError, match='did you mean directpose-tiny'):
        named_model('directpose-tiney')
    with pytest.raises(ValueError, match='there are: directpose-tiny'):
        named_model('zzz')


@pytest.fixture(scope='module')
def people(tmp_path_factory):
    """Pictures, and the largest annotated person of each: (17, 3) and the area."""
    root = tmp_path_factory.mktemp('people')
    write_dataset(root, num_train=1, num_val=8, size=256, seed=3, max_people=2)
    content = json.loads((root / 'annotations/person_keypoints_val2017.json').read_text())
    found = []
    for image in content['images']:
        here = [a for a in content['annotations'] if a['image_id'] == image['id']]
        largest = max(here, key=lambda a: a['area'])
        points = np.array(largest['keypoints'], dtype=float).reshape(-1, 3)
        found.append((str(root / 'val2017' / image['file_name']), points, largest['area']))
    return found


def test_the_exported_file_finds_what_the_model_finds(people):
    path = people[0][0]
    inferencer = MMPoseInferencer(*named_model(NAME), device='cpu')
    expected = next(inferencer(path, bbox_thr=0.2, kpt_thr=0))['predictions'][0]
    got = DirectPose(NAME, score_thr=0.2)(path)
    assert len(got.keypoints) == len(expected) > 0
    wanted = np.array([person['keypoints'] for person in expected])
    np.testing.assert_allclose(got.keypoints, wanted, atol=0.05)


def test_poses_lie_on_drawn_people(people):
    """COCO's similarity of keypoints, by hand: at least 0.5 for most of the largest people."""
    model = DirectPose(NAME, score_thr=0.05)
    similarities = []
    for path, points, area in people:
        labelled = points[:, 2] > 0
        distance = ((model(path).keypoints - points[:, :2]) ** 2).sum(axis=2)  # (n, 17)
        similarity = np.exp(-distance / (2 * area * (2 * COCO_SIGMAS) ** 2))[:, labelled].mean(1)
        similarities.append(similarity.max(initial=0))
    assert np.mean(np.array(similarities) > 0.5) > 0.5, similarities
