# Drawn people with COCO's keypoints, in COCO's layout, written by
# tools/dataset_converters/make_synthetic_coco.py; small, so that many steps take little time.
_base_ = './coco_keypoints_320.py'

data_root = 'data/synthetic/'
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='BBoxFromKeypoints'),
    dict(type='RandomShortSideResize', short_side=(176, 240), max_long_side=400),
    dict(type='CropAroundPerson', crop_size=(208, 208)),
    *_base_.train_pipeline[-3:],
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='ShortSideResize', short_side=208, max_long_side=347),
    _base_.test_pipeline[-1],
]
train_dataloader = dict(
    dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
