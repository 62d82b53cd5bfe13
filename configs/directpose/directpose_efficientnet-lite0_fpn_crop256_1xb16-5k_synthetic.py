# The small model that comes with the package, second part of its training: larger people.
# Give the weights of the first part to `load_from`.
_base_ = './directpose_efficientnet-lite0_fpn_1xb16-6k_synthetic.py'

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='BBoxFromKeypoints'),
    dict(type='RandomShortSideResize', short_side=(208, 432), max_long_side=720),
    dict(type='CropAroundPerson', crop_size=(256, 256)),
    *_base_.train_pipeline[-3:],
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='ShortSideResize', short_side=336, max_long_side=560),
    _base_.test_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

max_iters = 5000
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], begin=2750, end=max_iters),
]
