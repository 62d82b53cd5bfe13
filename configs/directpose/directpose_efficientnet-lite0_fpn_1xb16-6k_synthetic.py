# The small model that comes with the package, on drawn people: the first part of its training.
_base_ = [
    '../_base_/models/directpose_efficientnet-lite0_fpn.py',
    '../_base_/datasets/synthetic_keypoints_256.py',
    '../_base_/schedules/schedule_adamw_cosine.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(
        type='DirectPoseOKSHead',
        loss_oks=dict(type='OKSLoss', reduction='none', norm_target_weight=True, loss_weight=2.0),
        score_by_oks=True,
    )
)
max_iters = 6000
train_cfg = dict(max_iters=max_iters, val_interval=1000)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=100),
    dict(_base_.param_scheduler[1], begin=3500, end=max_iters),
]
train_dataloader = dict(batch_size=16)
optim_wrapper = dict(
    type='Bf16OptimWrapper',
    optimizer=dict(lr=2e-3),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.5))),
)
custom_hooks = [
    dict(
        type='EMAHook',
        ema_type='ExpMomentumEMA',
        momentum=0.002,
        gamma=250,
        update_buffers=True,
        priority=49,
    ),
]
default_hooks = dict(checkpoint=dict(interval=200))
auto_scale_lr = dict(base_batch_size=16)
