# Not of the paper: validate and keep a moving average of the weights.
_base_ = './directpose_r50-aa_fpn_8xb4-180k_coco.py'

custom_hooks = [
    dict(
        type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0002, update_buffers=True, priority=49
    ),
]
