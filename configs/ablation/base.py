# What the ablations compare with: the paper's head, a quarter as wide, on a pre-trained backbone.
# 6,000 pictures of drawn people, in some minutes of one CPU core; see docs/en/ablations.md.
_base_ = [
    '../_base_/models/directpose_efficientnet-lite0_fpn.py',
    '../_base_/datasets/synthetic_keypoints_256.py',
    '../_base_/schedules/schedule_adamw_cosine.py',
    '../_base_/default_runtime.py',
]

train_pipeline = [
    *_base_.train_pipeline[:2],
    dict(type='RandomShortSideResize', short_side=(160, 256), max_long_side=427),
    dict(type='CropAroundPerson', crop_size=(192, 192)),
    *_base_.train_pipeline[-3:],
]
test_pipeline = [
    _base_.test_pipeline[0],
    dict(type='ShortSideResize', short_side=224, max_long_side=373),
    _base_.test_pipeline[-1],
]
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

max_iters = 750
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=75),
    dict(_base_.param_scheduler[1], begin=75, end=max_iters),
]
optim_wrapper = dict(
    type='Bf16OptimWrapper',
    optimizer=dict(lr=2e-3),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.5))),
)
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=max_iters))
auto_scale_lr = dict(base_batch_size=8)
