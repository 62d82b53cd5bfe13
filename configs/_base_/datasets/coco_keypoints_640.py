# COCO keypoints for fast models: the long side is at most 640 px at test, and as in the recipe
# 0.6 to 2 times the scale of the test in training.
_base_ = './coco_keypoints.py'

train_pipeline = [
    *_base_.train_pipeline[:2],
    dict(type='RandomShortSideResize', short_side=(288, 960), max_long_side=1280),
    dict(type='CropAroundPerson', crop_size=(640, 640)),
    *_base_.train_pipeline[4:],
]
test_pipeline = [
    _base_.test_pipeline[0],
    dict(type='ShortSideResize', short_side=480, max_long_side=640),
    _base_.test_pipeline[-1],
]

train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
