# The average of the weights over the last iterations.
_base_ = './base.py'

custom_hooks = [
    dict(
        type='EMAHook',
        ema_type='ExpMomentumEMA',
        momentum=0.01,
        gamma=50,
        update_buffers=True,
        priority=49,
    ),
]
