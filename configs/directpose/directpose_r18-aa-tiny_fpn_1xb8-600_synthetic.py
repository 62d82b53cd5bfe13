# A small model on drawn people: learns in minutes on two CPU cores.
_base_ = [
    '../_base_/models/directpose_r18-aa-tiny_fpn.py',
    '../_base_/datasets/synthetic_keypoints_208.py',
    '../_base_/schedules/schedule_adamw_cosine.py',
    '../_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=8)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=200))
