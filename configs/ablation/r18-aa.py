# An anti-aliased ResNet, as in the paper, but smaller. It starts from random weights, and so sees
# three times as many pictures as the base.
_base_ = './base.py'

model = dict(
    backbone=dict(_delete_=True, type='ResNetAA', depth=18, base_channels=32),
    neck=dict(in_channels=[64, 128, 256]),
)

max_iters = 2250
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=max_iters),
]
default_hooks = dict(checkpoint=dict(interval=max_iters))
