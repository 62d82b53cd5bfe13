# Half as long as the original's, otherwise the same.
_base_ = './schedule_180k.py'

max_iters = 90000
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=max_iters + 1),
]
