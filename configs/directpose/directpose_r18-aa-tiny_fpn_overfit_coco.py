# Learn a dozen photographs by heart: the proof that the whole chain, from JPEG to pose, is right.
# tools/dataset_converters/make_coco_subset.py makes the data.
_base_ = [
    '../_base_/models/directpose_r18-aa-tiny_fpn.py',
    '../_base_/datasets/coco_keypoints_320.py',
    '../_base_/schedules/schedule_adamw_cosine.py',
    '../_base_/default_runtime.py',
]

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='BBoxFromKeypoints'),
    dict(type='RandomShortSideResize', short_side=(320, 320), max_long_side=320),
    *_base_.train_pipeline[-2:],
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='ShortSideResize', short_side=320, max_long_side=320),
    _base_.test_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

max_iters = 1000
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=max_iters),
]
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=500))
auto_scale_lr = dict(base_batch_size=4)
env_cfg = dict(cudnn_benchmark=False)  # whole images have many sizes
