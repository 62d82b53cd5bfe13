# Not of the paper: AdamW with a cosine, at a learning rate that nobody has tuned.
_base_ = [
    '../_base_/models/directpose_r50-aa_fpn.py',
    '../_base_/datasets/coco_keypoints.py',
    '../_base_/schedules/schedule_adamw_cosine.py',
    '../_base_/default_runtime.py',
]

max_iters = 180000
train_cfg = dict(max_iters=max_iters, val_interval=10000)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=1000),
    dict(_base_.param_scheduler[1], begin=1000, end=max_iters),
]
auto_scale_lr = dict(enable=False, base_batch_size=32)
