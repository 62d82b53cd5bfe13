"""Each kind of defect, put into a sound data set of two images and three people."""

import copy
import json
import re
from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
from mmengine import Config
from mmpose.datasets import CocoDataset
from mmpose.datasets.transforms import LoadImage
from PIL import ExifTags, Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from directpose.dataset_check import (
    COCO_METAINFO,
    EVALUATION_ONLY,
    KINDS,
    DatasetError,
    check_annotations,
    load_annotations,
    summarize,
)
from directpose.dataset_check.annotations import KEYPOINT_LISTS
from directpose.datasets import BottomupCocoDataset, BottomupCocoWholeBodyDataset
from directpose.errors import UserError
from directpose.pictures import read_size
from tests.coco_files import person, write_coco

WHOLEBODY_METAINFO = COCO_METAINFO.replace('coco.py', 'coco_wholebody.py')
INFO = Config.fromfile(COCO_METAINFO).dataset_info.to_dict()
NAMES = [keypoint['name'] for keypoint in INFO['keypoint_info'].values()]
IMAGE_1, IMAGE_2 = 'image 1 (000000000001.jpg)', 'image 2 (000000000002.jpg)'
PERSON_1, PERSON_3 = f'annotation 1 of {IMAGE_1}', f'annotation 3 of {IMAGE_2}'
DEFECTS = []


@pytest.fixture
def sound(tmp_path):
    """Two images of 64 x 48: two people in the first, one in the second."""
    points = {k: (5 + 3 * k, 4 + 2 * k) for k in range(17)}
    # Of other shape than the first: none may be taken for another by the evaluation.
    people = [
        person(points, 1, 1),
        person({k: (60 - x, y) for k, (x, y) in points.items()}, 2, 1),
        person(points, 3, 2),
    ]
    ann_file = write_coco(tmp_path, people, num_images=2)
    coco = json.loads(ann_file.read_text())
    coco['categories'][0]['keypoints'] = list(NAMES)
    return SimpleNamespace(
        root=tmp_path,
        ann_file=ann_file,
        images=tmp_path / 'train2017',
        metainfo=tmp_path / 'metainfo.py',
        coco=coco,
        info=copy.deepcopy(INFO),
    )


def save(data):
    data.ann_file.write_text(json.dumps(data.coco))
    data.metainfo.write_text(f'dataset_info = {data.info!r}')


def check(data, **options):
    save(data)
    return check_annotations(
        load_annotations(str(data.ann_file), str(data.images), str(data.metainfo)), **options
    )


def defect(level, kind, where, message, also=(), **options):
    """Register a defect: the only finding of ``kind`` has this level, place and message.

    ``also`` are other kinds that come with it, ``options`` go to the checks.
    """

    def register(damage):
        DEFECTS.append(
            pytest.param(damage, level, kind, where, message, also, options, id=damage.__name__)
        )
        return damage

    return register


# The metainfo.


@defect('error', 'metainfo', 'metainfo.py', 'sigmas has 16 entries, keypoint_info 17')
def sigma_lacking(data):
    data.info['sigmas'].pop()


@defect('error', 'metainfo', 'metainfo.py', 'joint_weights has 18 entries')
def joint_weight_too_many(data):
    data.info['joint_weights'].append(1.0)


@defect('error', 'metainfo', 'metainfo.py', 'not 0, 1, 2')
def keypoint_ids_from_one(data):
    data.info['keypoint_info'] = {k + 1: v for k, v in data.info['keypoint_info'].items()}


@defect('error', 'metainfo', 'metainfo.py', 'left_eye swaps with right_eye, but right_eye with')
def swap_not_mutual(data):
    data.info['keypoint_info'][2]['swap'] = ''


@defect('error', 'metainfo', 'metainfo.py', '2 keypoints are named nose', also=['keypoint-names'])
def keypoint_name_twice(data):
    data.info['keypoint_info'][1].update(name='nose', swap='')
    data.info['keypoint_info'][2]['swap'] = ''
    data.info['skeleton_info'] = {}


@defect('warning', 'sigmas-default', 'metainfo.py', 'each keypoint has 0.067')
def no_sigmas(data):
    data.info['sigmas'] = []


@defect('warning', 'flip-off', 'metainfo.py', 'no image is mirrored')
def no_flip_pairs(data):
    for keypoint in data.info['keypoint_info'].values():
        keypoint['swap'] = ''


@defect('warning', 'flip-pair', 'metainfo.py', 'left_hip and right_hip are not swapped')
def one_flip_pair_forgotten(data):
    for keypoint in data.info['keypoint_info'].values():
        if 'hip' in keypoint['name']:
            keypoint['swap'] = ''


# Categories.


@defect('error', 'category', 'category 2', '3 annotations')
def category_two(data):
    for entry in data.coco['annotations']:
        entry['category_id'] = 2
    data.coco['categories'][0]['id'] = 2


@defect('error', 'category', 'category 7', '1 annotations')
def two_categories(data):
    data.coco['annotations'][2]['category_id'] = 7
    data.coco['categories'].append({'id': 7, 'name': 'dog'})


@defect('error', 'category-unknown', PERSON_3, 'category_id 7 is not in `categories`')
def category_not_listed(data):
    data.coco['annotations'][2]['category_id'] = 7


@defect('error', 'keypoint-order', 'category 1', '1: right_eye / left_eye, 2: left_eye')
def keypoints_in_other_order(data):
    names = data.coco['categories'][0]['keypoints']
    names[1:3] = names[2:0:-1]


@defect('warning', 'keypoint-names', 'category 1', '0: muzzle / nose')
def keypoint_of_other_name(data):
    data.coco['categories'][0]['keypoints'][0] = 'muzzle'


@defect('error', 'keypoint-count', 'category 1', 'names 16 keypoints')
def category_lacks_a_keypoint(data):
    data.coco['categories'][0]['keypoints'].pop()


@defect('warning', 'keypoint-never-labelled', 'metainfo.py', 'nobody has a left_ear, right_ear')
def ears_never_labelled(data):
    for entry in data.coco['annotations']:
        entry['keypoints'][9:15] = [0] * 6
        entry['num_keypoints'] = 15


# Ids.


@defect('error', 'duplicate-image-id', f'{IMAGE_1}, {IMAGE_1[:6]}1 (000000000002.jpg)', '2 images')
def image_id_twice(data):
    data.coco['images'][1]['id'] = data.coco['annotations'][2]['image_id'] = 1


@defect('error', 'duplicate-annotation-id', f'{PERSON_1}, annotation 1 of {IMAGE_2}', '2 annot')
def annotation_id_twice(data):
    data.coco['annotations'][2]['id'] = 1


@defect('warning', 'duplicate-file-name', '000000000001.jpg', '2 images have this file')
def file_name_twice(data):
    data.coco['images'][1]['file_name'] = '000000000001.jpg'


@defect('warning', 'annotation-id', f'annotation 0 of {IMAGE_2}', 'may count as missed')
def annotation_id_zero(data):
    data.coco['annotations'][2]['id'] = 0


@defect(
    'error',
    'image-unknown',
    'annotation 3 of image 9',
    'neither trained on nor scored',
    also=['image-without-annotations'],
)
def annotation_of_unknown_image(data):
    data.coco['annotations'][2]['image_id'] = 9


# Image files.


@defect('error', 'image-fields', 'image 2 (None)', 'file_name is None')
def no_file_name(data):
    del data.coco['images'][1]['file_name']


@defect('error', 'image-fields', IMAGE_2, "height is '48'")
def height_is_text(data):
    data.coco['images'][1]['height'] = '48'


@defect('error', 'image-missing', IMAGE_2, 'train2017/000000000002.jpg')
def file_deleted(data):
    (data.images / '000000000002.jpg').unlink()


@defect('error', 'image-missing', r'image 2 (part\000000000002.jpg)', 'write / between folders')
def file_name_of_windows(data):
    data.coco['images'][1]['file_name'] = r'part\000000000002.jpg'


@defect('error', 'image-missing', IMAGE_2, 'a file of that name is part/000000000002.jpg')
def file_in_subfolder(data):
    (data.images / 'part').mkdir()
    (data.images / '000000000002.jpg').rename(data.images / 'part/000000000002.jpg')


@defect('error', 'image-case', IMAGE_2, 'the file is 000000000002.JPG')
def file_name_of_wrong_case(data):
    (data.images / '000000000002.jpg').rename(data.images / '000000000002.JPG')


@defect('error', 'image-unreadable', IMAGE_2, 'truncated')
def file_cut_off(data):
    file = data.images / '000000000002.jpg'
    file.write_bytes(file.read_bytes()[:-100])


@defect('error', 'image-unreadable', IMAGE_2, 'not a picture of a known', decode=False)
def file_is_no_image(data):
    (data.images / '000000000002.jpg').write_text('<html>404 not found</html>')


@defect('error', 'image-size', IMAGE_2, 'is 640 x 480, but its file 64 x 48')
def size_of_original_resolution(data):
    data.coco['images'][1].update(width=640, height=480)


@defect('error', 'image-size', IMAGE_2, 'its file 48 x 64 (EXIF orientation 6')
def size_before_exif_orientation(data):
    save_with_orientation(data.images / '000000000002.jpg', (64, 48), 6)


@defect('warning', 'image-turned', IMAGE_2, 'EXIF orientation 3')
def upside_down_by_exif(data):
    save_with_orientation(data.images / '000000000002.jpg', (64, 48), 3)


def save_with_orientation(path, size, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new('RGB', size).save(path, exif=exif)


# Fields of annotations.


@defect('error', 'missing-bbox', PERSON_3, 'drops', also=['image-small-boxes'])
def no_bbox(data):
    del data.coco['annotations'][2]['bbox']


@defect('error', 'missing-keypoints', PERSON_3, 'drops', also=['image-few-keypoints'])
def no_keypoints_field(data):
    del data.coco['annotations'][2]['keypoints']


@defect('error', 'missing-area', PERSON_3, 'has no area')
def no_area(data):
    del data.coco['annotations'][2]['area']


@defect('error', 'missing-iscrowd', PERSON_3, 'has no iscrowd')
def no_iscrowd(data):
    del data.coco['annotations'][2]['iscrowd']


@defect('error', 'missing-num_keypoints', PERSON_3, 'has no num_keypoints')
def no_num_keypoints(data):
    del data.coco['annotations'][2]['num_keypoints']


@defect('error', 'malformed', PERSON_3, 'keypoints is [[', also=['image-few-keypoints'])
def keypoints_nested(data):
    entry = data.coco['annotations'][2]
    entry['keypoints'] = np.reshape(entry['keypoints'], (17, 3)).tolist()


@defect('error', 'malformed', PERSON_3, 'bbox is [1, 2, 3]', also=['image-small-boxes'])
def bbox_of_three(data):
    data.coco['annotations'][2]['bbox'] = [1, 2, 3]


@defect('error', 'malformed', PERSON_3, "iscrowd is '0'", also=['crowd', 'image-few-keypoints'])
def iscrowd_is_text(data):
    data.coco['annotations'][2]['iscrowd'] = '0'


@defect('error', 'malformed', 'category 1', 'keypoints is 17')
def category_with_a_number_of_keypoints(data):
    data.coco['categories'][0]['keypoints'] = 17


@defect('error', 'not-a-number', PERSON_3, 'keypoints holds nan, which is not a place')
def nan_keypoint(data):
    data.coco['annotations'][2]['keypoints'][3] = float('nan')


@defect('error', 'not-a-number', PERSON_3, 'bbox holds inf, which', also=['image-small-boxes'])
def infinite_bbox(data):
    data.coco['annotations'][2]['bbox'][2] = float('inf')


@defect('error', 'not-a-number', PERSON_3, 'keypoints holds 1e+300, which is not a place')
def huge_keypoint(data):
    data.coco['annotations'][2]['keypoints'][3] = 1e300


@defect('error', 'not-a-number', PERSON_3, 'keypoints holds -1000')
def whole_number_beyond_every_float(data):
    data.coco['annotations'][2]['keypoints'][3] = -(10**400)


@defect('error', 'malformed', PERSON_3, "keypoints is ['5.0', '4.0'", also=['image-few-keypoints'])
def keypoints_written_as_text(data):
    entry = data.coco['annotations'][2]
    entry['keypoints'] = list(map(str, entry['keypoints']))


@defect('error', 'malformed', PERSON_3, 'bbox is [None, 0', also=['image-small-boxes'])
def null_in_bbox(data):
    data.coco['annotations'][2]['bbox'][0] = None


@defect('error', 'area', PERSON_3, "area is '1e+300'")
def huge_area(data):
    data.coco['annotations'][2]['area'] = 1e300


@defect('error', 'area', PERSON_3, "area is '123.5'")
def area_as_text(data):
    data.coco['annotations'][2]['area'] = '123.5'


@defect('error', 'area', PERSON_3, "area is 'nan'")
def nan_area(data):
    data.coco['annotations'][2]['area'] = float('nan')


@defect('warning', 'area-empty', PERSON_3, 'area is 0')
def zero_area(data):
    data.coco['annotations'][2]['area'] = 0


# Keypoints and boxes.


@defect('error', 'keypoint-count', PERSON_3, 'has 5 keypoints', also=['image-few-keypoints'])
def five_keypoints(data):
    entry = data.coco['annotations'][2]
    entry.update(keypoints=entry['keypoints'][:15], num_keypoints=5)


@defect('error', 'keypoint-visibility', PERSON_3, 'nose (5, 4), v = 3; right_eye (11, 8), v = 0.5')
def visibility_is_a_score(data):
    data.coco['annotations'][2]['keypoints'][2:9:6] = [3, 0.5]


@defect('warning', 'keypoint-outside', PERSON_3, 'nose (64, 4), v = 2; left_eye (8, -1), v = 2')
def keypoints_outside(data):
    data.coco['annotations'][2]['keypoints'][:6] = [64, 4, 2, 8, -1, 2]


@defect('warning', 'keypoints-off-bbox', PERSON_3, 'of the bbox; are they fractions of the image')
def keypoints_are_fractions(data):
    entry = data.coco['annotations'][2]
    entry['bbox'] = [20, 20, 30, 25]
    points = np.reshape(entry['keypoints'], (-1, 3)) / [64, 48, 1]
    entry['keypoints'] = points.ravel().tolist()


@defect('warning', 'keypoints-off-bbox', PERSON_3, 'lie outside of the bbox; do they count from')
def keypoints_count_from_the_bbox(data):
    entry = data.coco['annotations'][2]
    entry['bbox'] = [34, 20, 26, 26]
    points = np.reshape(entry['keypoints'], (-1, 3))
    points[:, :2] = 4 + points[:, :2] % 10
    entry['keypoints'] = points.ravel().tolist()


@defect('warning', 'num_keypoints', PERSON_3, 'num_keypoints is 16, but 17 have v > 0')
def wrong_num_keypoints(data):
    data.coco['annotations'][2]['num_keypoints'] = 16


@defect('warning', 'num_keypoints', PERSON_3, '17 have v > 0 (it counts v = 2 only, as CrowdPose')
def num_keypoints_counts_visible(data):
    entry = data.coco['annotations'][2]
    entry['keypoints'][2] = 1
    entry['num_keypoints'] = 16


@defect('warning', 'bbox-empty', PERSON_3, '[5.0, 5.0, 0.0, 9.0]', also=['image-small-boxes'])
def bbox_empty(data):
    data.coco['annotations'][2]['bbox'] = [5, 5, 0, 9]


@defect('warning', 'bbox-outside', PERSON_3, '[20.0, 10.0, 60.0, 40.0] in an image of 64 x 48')
def bbox_as_two_corners(data):
    data.coco['annotations'][2]['bbox'] = [20, 10, 60, 40]


# What is left out.


@defect('note', 'crowd', PERSON_3, 'is a crowd region', also=['image-few-keypoints'])
def crowd_region(data):
    data.coco['annotations'][2]['iscrowd'] = 1


@defect('note', 'no-keypoints', PERSON_3, 'no labelled', also=['image-few-keypoints'])
def person_without_keypoints(data):
    data.coco['annotations'][2].update(keypoints=[0] * 51, num_keypoints=0)


@defect('note', 'image-without-annotations', IMAGE_2, 'has no annotation')
def image_without_annotations(data):
    data.coco['annotations'].pop()


@defect(
    'note',
    'image-few-keypoints',
    IMAGE_2,
    'labelled keypoints: 17, fewer than 18',
    min_keypoints=18,
)
def few_keypoints(data):
    pass


@defect('note', 'image-small-boxes', IMAGE_2, 'has no box wider and higher than 1 px')
def box_of_a_pixel(data):
    data.coco['annotations'][2]['bbox'] = [5, 5, 1, 30]


@defect(
    'error',
    'nothing-to-train',
    'all images',
    'drops all of the 1 images',
    also=['image-few-keypoints'],
    min_keypoints=18,
)
def threshold_for_more_keypoints(data):
    del data.coco['images'][0], data.coco['annotations'][:2]


@defect('warning', 'many-people', IMAGE_2, 'has 21 people')
def more_people_than_max_dets(data):
    for ann_id in range(4, 24):
        data.coco['annotations'].append({**data.coco['annotations'][2], 'id': ann_id})


def test_sound_data_have_no_findings(sound):
    assert check(sound) == []


@pytest.mark.parametrize('damage, level, kind, where, message, also, options', DEFECTS)
def test_defect(sound, damage, level, kind, where, message, also, options):
    damage(sound)
    findings = check(sound, **options)
    # A defect is found once, where it is; the sound rest is left alone.
    assert {finding.kind for finding in findings} == {kind, *also}
    (found,) = (finding for finding in findings if finding.kind == kind)
    assert found.level == level
    assert found.where.removeprefix(f'{sound.root}/') == where
    assert message in found.message
    assert found.remedy == KINDS[kind][1]


def test_every_kind_has_a_defect():
    assert {param.values[2] for param in DEFECTS} == set(KINDS)


# Errors that neither stop anything nor show in AP when the ground truth is the prediction: the
# model learns something else than one thinks.
SILENT = (
    'category_lacks_a_keypoint',
    'category_not_listed',
    'category_with_a_number_of_keypoints',
    'huge_area',
    'image_id_twice',
    'infinite_bbox',
    'iscrowd_is_text',
    'joint_weight_too_many',
    'keypoint_ids_from_one',
    'keypoint_name_twice',
    'keypoints_in_other_order',
    'nan_area',
    'sigma_lacking',
    'size_before_exif_orientation',
    'size_of_original_resolution',
    'swap_not_mutual',
    'visibility_is_a_score',
)


def use(data):
    """Load all data by MMPose's own data set; score the truth as prediction by pycocotools.

    Returns:
        tuple: The number of people loaded, and AP.
    """
    save(data)
    dataset = CocoDataset(
        ann_file=str(data.ann_file),
        data_mode='bottomup',
        data_prefix={'img': str(data.images)},
        metainfo={'from_file': str(data.metainfo)},
        pipeline=[LoadImage()],
    )
    num_people = 0
    for sample in dataset:
        num_people += len(sample['id'])
        assert all(np.isfinite(sample[key]).all() for key in ('keypoints', 'bbox', 'area'))
    truth = COCO(data.ann_file)
    results = [
        {
            'image_id': entry['image_id'],
            'category_id': 1,
            'keypoints': entry['keypoints'],
            'score': 1.0,
        }
        for entry in data.coco['annotations']
    ]
    evaluation = COCOeval(truth, truth.loadRes(results), 'keypoints')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return num_people, evaluation.stats[0]


def test_sound_data_can_be_used(sound):
    assert use(sound) == (3, pytest.approx(1))


@pytest.mark.parametrize(
    'damage',
    [
        pytest.param(param.values[0], id=param.id)
        for param in DEFECTS
        if param.values[1] == 'error' and not param.values[6] and param.id not in SILENT
    ],
)
def test_errors_break_training_or_evaluation(sound, damage):
    damage(sound)
    try:
        num_people, ap = use(sound)
    except Exception:
        return
    assert num_people < 3 or ap < 0.999


@pytest.mark.parametrize(
    'damage',
    [pytest.param(param.values[0], id=param.id) for param in DEFECTS if param.values[1] != 'error'],
)
def test_warnings_and_notes_stop_nothing(sound, damage):
    damage(sound)
    use(sound)


def read_by_dataset(data, test_mode):
    """All samples of our data set, or what it says against the data."""
    save(data)
    try:
        dataset = BottomupCocoDataset(
            ann_file=str(data.ann_file),
            data_prefix={'img': str(data.images)},
            metainfo={'from_file': str(data.metainfo)},
            pipeline=[LoadImage()],
            test_mode=test_mode,
        )
        return list(dataset)
    except (DatasetError, ValueError) as error:
        return str(error)


@pytest.mark.parametrize('test_mode', [False, True])
@pytest.mark.parametrize(
    'damage, level, kind, where, message',
    [pytest.param(*p.values[:5], id=p.id) for p in DEFECTS if not p.values[6]],
)
def test_the_data_set_refuses_errors_in_the_same_words(
    sound, damage, level, kind, where, message, test_mode
):
    damage(sound)
    said = read_by_dataset(sound, test_mode)
    if level != 'error' or (kind in EVALUATION_ONLY and not test_mode):
        assert len(said) >= 1 and not isinstance(said, str)
    elif kind == 'metainfo' and 'sigmas' in message:
        assert 'has 16 sigmas, but 17 keypoints' in said  # refused where the metainfo is read
    else:
        assert f'error: {kind} (' in said
        assert f'-> {KINDS[kind][1]}' in said
        assert message.removeprefix('train2017/') in said


def test_images_are_measured_as_they_are_loaded(tmp_path):
    file = tmp_path / 'image.jpg'
    for orientation in range(1, 9):
        save_with_orientation(file, (64, 48), orientation)
        height, width = mmcv.imread(file).shape[:2]
        assert read_size(file, decode=True) == ((width, height), orientation)
    for suffix in ('.png', '.bmp', '.webp'):
        Image.new('L', (64, 48)).save(file.with_suffix(suffix))
        assert read_size(file.with_suffix(suffix), decode=True) == ((64, 48), 1)


def test_cut_off_images_are_found_by_decoding_only(sound):
    file_cut_off(sound)
    assert check(sound, decode=False) == []


def test_links_that_lead_back_do_not_hold_the_search_for_a_missing_file(sound):
    for name in ('here', 'again'):
        (sound.images / name).symlink_to('.')
    file = sound.images / '000000000001.jpg'
    (sound.images / 'part').mkdir()
    file.rename(sound.images / 'part' / file.name)
    (one,) = check(sound)
    assert one.kind == 'image-missing' and f'part/{file.name}' in one.message


def test_area_is_optional(sound):
    for entry in sound.coco['annotations']:
        del entry['area']
    assert check(sound, use_area=False) == []
    assert len(check(sound)) == 3


def test_metainfo_may_be_a_name_of_mmpose(sound):
    save(sound)
    with pytest.warns(UserWarning, match='matched config file'):
        data = load_annotations(str(sound.ann_file), str(sound.images), 'crowdpose.py')
    kinds = [finding.kind for finding in check_annotations(data)]
    assert kinds.count('keypoint-count') == 4  # the category and three people


@pytest.fixture
def whole_body(sound):
    """The sound data with COCO-WholeBody's keypoints, in the form of its files."""
    sound.info = Config.fromfile(WHOLEBODY_METAINFO).dataset_info.to_dict()
    for entry in sound.coco['annotations']:
        start = 17
        for name, count in list(KEYPOINT_LISTS.items())[1:]:
            points = np.arange(start, start + count)
            visible = np.where(points % 3, 0.14, 2)  # fractions tell how reliable a point is
            entry[name] = np.stack([points % 60, points // 4, visible], axis=1).ravel().tolist()
            start += count
    return sound


def test_sound_whole_body_has_no_findings(whole_body):
    assert check(whole_body) == []
    data = load_annotations(
        str(whole_body.ann_file), str(whole_body.images), str(whole_body.metainfo)
    )
    assert summarize(data)['labelled_keypoints'] == 3 * 133
    # as training reads them
    item = BottomupCocoWholeBodyDataset(
        ann_file=str(whole_body.ann_file),
        data_prefix={'img': str(whole_body.images)},
        pipeline=[],
    )[0]
    np.testing.assert_allclose(item['keypoints'][0], data.people[0].keypoints[:, :2])


@pytest.mark.parametrize(
    ('field', 'value', 'kind', 'message'),
    [
        (
            'face_kpts',
            None,
            'keypoint-count',
            'has 65 keypoints (keypoints 17, foot_kpts 6, face_kpts 0, lefthand_kpts 21, '
            'righthand_kpts 21), ',
        ),
        ('foot_kpts', [[1, 2, 2]] * 6, 'malformed', 'foot_kpts is [[1, 2, 2]'),
        ('foot_kpts', [1] * 17, 'malformed', 'foot_kpts is [1, 1'),
        ('foot_kpts', True, 'malformed', 'foot_kpts is True'),
        ('foot_kpts', [float('nan'), 1, 2] * 6, 'not-a-number', 'foot_kpts holds nan'),
        ('foot_kpts', [1, 1, 2.5] * 6, 'keypoint-visibility', 'left_big_toe (1, 1), v = 2.5'),
        ('foot_kpts', [70, 1, 2] * 6, 'keypoint-outside', 'left_big_toe (70, 1), v = 2'),
        ('keypoints', [1, 1, 0.5] * 17, 'keypoint-visibility', 'nose (1, 1), v = 0.5'),
        ('num_keypoints', 133, 'num_keypoints', 'is 133, but 17 body keypoints have v > 0'),
    ],
)
def test_broken_whole_body(whole_body, field, value, kind, message):
    whole_body.coco['annotations'][2][field] = value
    (found,) = (f for f in check(whole_body) if f.kind != 'image-few-keypoints')
    assert (found.kind, found.where) == (kind, PERSON_3)
    assert message in found.message


def test_whole_body_category_in_other_order(whole_body):
    whole_body.coco['categories'][0]['keypoints'].reverse()
    assert [finding.kind for finding in check(whole_body)] == ['keypoint-order']


@pytest.mark.parametrize('entries', ['images', 'annotations', 'categories'])
def test_junk_never_stops_the_checks(sound, entries):
    junk = [None, True, -1, 10**400, float('nan'), '..', [], [[1]], [None] * 51]
    proper = copy.deepcopy(sound.coco)
    for field in proper[entries][0]:
        for value in junk:
            sound.coco = copy.deepcopy(proper)
            sound.coco[entries][0][field] = value
            save(sound)
            if field.endswith('id') and (type(value) is not int or value >= 2**63):
                with pytest.raises(ValueError, match='Ids must be integers'):
                    load_annotations(str(sound.ann_file), str(sound.images))
            else:
                data = load_annotations(str(sound.ann_file), str(sound.images))
                check_annotations(data)
                json.dumps(summarize(data), allow_nan=False)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{"images": [', 'is not a JSON file'),
        (b'\xff\xd8\xff\xe0', 'is not a JSON file'),
        ('[{"image_id": 1}]', 'holds a list'),
        ('{"images": [], "annotations": []}', 'it needs "categories", a list of dicts'),
        ('{"images": [1], "annotations": [], "categories": []}', 'it needs "images"'),
        (
            '{"images": [{"id": "a.jpg"}], "annotations": [], "categories": []}',
            r"images\[0\] has id = 'a.jpg'. Ids must be integers",
        ),
        (
            '{"images": [], "annotations": [{"id": 1, "image_id": 1}], "categories": []}',
            r'annotations\[0\] has category_id = None',
        ),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    ann_file = tmp_path / 'ann.json'
    if isinstance(content, str):
        content = content.encode()
    ann_file.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        load_annotations(str(ann_file), str(tmp_path))
    assert str(ann_file) in str(error.value)


def test_missing_files_are_refused(sound):
    save(sound)
    ann_file, images = str(sound.ann_file), str(sound.images)
    with pytest.raises(FileNotFoundError, match='none.json'):
        load_annotations('none.json', images)
    with pytest.raises(DatasetError, match='none is not a folder'):
        load_annotations(ann_file, 'none')
    with pytest.raises(UserError, match='none.py: there is no such file'):
        load_annotations(ann_file, images, 'none.py')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('keypoints = 5', 'dataset_info'),
        ('dataset_info = dict(', 'dataset_info'),
        (repr({**INFO, 'keypoint_info': {0: {'name': 'nose', 'swap': 'beak'}}}), 'beak'),
    ],
)
def test_other_metainfo_is_refused(sound, content, message):
    save(sound)
    sound.metainfo.write_text(content if '=' in content else f'dataset_info = {content}')
    with pytest.raises(ValueError, match=message) as error:
        load_annotations(str(sound.ann_file), str(sound.images), str(sound.metainfo))
    assert f'{sound.metainfo} is not a metainfo file' in str(error.value)


def test_summary(sound):
    annotations = sound.coco['annotations']
    annotations[0]['bbox'] = [0, 0, 30, 20]
    annotations[0]['keypoints'][2::3] = [1, 1, 1, 1, 0] + [2] * 12
    annotations[1]['bbox'] = [10, 0, 30, 20]  # IoU 20 * 20 / (40 * 20) with the first
    sound.coco['annotations'] += [
        {**annotations[0], 'id': 4, 'iscrowd': 1},
        {**annotations[0], 'id': 5, 'keypoints': [0] * 51},
    ]
    sound.coco['images'] += [{'id': 3, 'file_name': '3.jpg', 'width': 100, 'height': 80}]
    save(sound)
    data = load_annotations(str(sound.ann_file), str(sound.images))
    summary = summarize(data, min_keypoints=18)
    quantiles = {name: summary.pop(name) for name in list(summary) if 'quantiles' in name}
    assert summary == {
        'images': 3,
        'images_with_people': 2,
        'images_kept_for_training': 1,
        'median_image_size': [64, 48],
        'annotations': 5,
        'people': 3,
        'people_without_keypoints': 1,
        'crowd_regions': 1,
        'labelled_keypoints': 16 + 17 + 17,
        'visible_share': pytest.approx(46 / 50),
        'occluded_share': pytest.approx(4 / 50),
        'most_people_in_an_image': 2,
        'overlapping_people_share': pytest.approx(2 / 3),
    }
    assert {name: values[2] for name, values in quantiles.items()} == {
        'keypoints_per_person_quantiles': 17,
        'person_height_quantiles': 20,
        'people_per_image_quantiles': 1,
    }
    assert json.loads(json.dumps(summary, allow_nan=False))


def test_summary_of_nothing(sound):
    sound.coco.update(images=[], annotations=[])
    save(sound)
    data = load_annotations(str(sound.ann_file), str(sound.images))
    assert not any(summarize(data).values())


@pytest.mark.parametrize('part', ['train', 'val'])
def test_coco_has_no_errors(coco_mini, part):
    ann_file = coco_mini / f'annotations/person_keypoints_{part}.json'
    data = load_annotations(str(ann_file), str(coco_mini / 'images'))
    findings = check_annotations(data)
    assert [finding for finding in findings if finding.level == 'error'] == []

    # What is left out is what pycocotools and the data set of the recipe say.
    coco = COCO(ann_file)
    dropped = {
        f'annotation {entry["id"]}'
        for entry in coco.anns.values()
        if entry['iscrowd'] or not entry['num_keypoints']
    }
    found = {
        re.match(r'annotation \d+', finding.where)[0]
        for finding in findings
        if finding.kind in ('crowd', 'no-keypoints')
    }
    assert found == dropped
    summary = summarize(data)
    assert summary['people'] == len(coco.anns) - len(dropped)
    assert summary['labelled_keypoints'] == sum(
        entry['num_keypoints'] for entry in coco.anns.values() if not entry['iscrowd']
    )
    trained = BottomupCocoDataset(
        ann_file=str(ann_file),
        data_prefix={'img': str(coco_mini / 'images')},
        filter_cfg={'min_labelled_keypoints': 10, 'min_bbox_size': 1},
    )
    assert summary['images_kept_for_training'] == len(trained)
