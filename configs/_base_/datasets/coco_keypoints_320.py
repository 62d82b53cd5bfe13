# COCO keypoints at two fifths of the recipe's scale, for small models on a CPU.
_base_ = './coco_keypoints.py'

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='BBoxFromKeypoints'),
    dict(type='RandomShortSideResize', short_side=(256, 384), max_long_side=640),
    dict(type='CropAroundPerson', crop_size=(320, 320)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='GenerateTarget', encoder=_base_.codec),
    _base_.train_pipeline[-1],
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='ShortSideResize', short_side=320, max_long_side=533),
    _base_.test_pipeline[-1],
]

train_dataloader = dict(num_workers=2, pin_memory=False, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, pin_memory=False, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
