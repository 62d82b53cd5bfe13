# The average of the weights over the last iterations.
_base_ = './base.py'

custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type='EMAHook',
        ema_type='ExpMomentumEMA',
        momentum=0.02,
        gamma=25,
        update_buffers=True,
        priority=49,
    ),
]
