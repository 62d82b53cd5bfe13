# Drawn people with COCO's keypoints, in COCO's layout, written by
# tools/dataset_converters/make_synthetic_coco.py; small, so that many steps take little time.
_base_ = './coco_keypoints_320.py'

data_root = 'data/synthetic/'
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='BBoxFromKeypoints'),
    dict(type='RandomShortSideResize', short_side=(104, 144), max_long_side=240),
    dict(type='CropAroundPerson', crop_size=(128, 128)),
    *_base_.train_pipeline[-3:],
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='ShortSideResize', short_side=124, max_long_side=207),
    _base_.test_pipeline[-1],
]
# On two cores, loading such pictures beside the training costs it more than it saves.
common = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(dataset=dict(data_root=data_root, pipeline=train_pipeline), **common)
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=test_pipeline), **common)
test_dataloader = val_dataloader
