# Drawn people with COCO's keypoints, in pictures of 256 pixels:
# tools/dataset_converters/make_synthetic_coco.py --size 256 --max-people 4
_base_ = './synthetic_keypoints_128.py'

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='BBoxFromKeypoints'),
    dict(type='RandomShortSideResize', short_side=(176, 336), max_long_side=560),
    dict(type='CropAroundPerson', crop_size=(224, 224)),
    *_base_.train_pipeline[-3:],
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='ShortSideResize', short_side=256, max_long_side=427),
    _base_.test_pipeline[-1],
]
loading = dict(num_workers=1, persistent_workers=True)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline), **loading)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline), **loading)
test_dataloader = val_dataloader
