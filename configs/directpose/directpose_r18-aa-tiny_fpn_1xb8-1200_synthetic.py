# A small model on drawn people: learns in minutes on two CPU cores.
_base_ = [
    '../_base_/models/directpose_r18-aa-tiny_fpn.py',
    '../_base_/datasets/synthetic_keypoints_128.py',
    '../_base_/schedules/schedule_adamw_cosine.py',
    '../_base_/default_runtime.py',
]

max_iters = 1200
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=max_iters),
]
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=400))
auto_scale_lr = dict(base_batch_size=8)
