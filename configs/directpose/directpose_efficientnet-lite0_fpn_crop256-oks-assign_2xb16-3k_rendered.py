# The small model that comes with the package, fifth part of its training: a person has the
# locations, of whatever level, that predict it best. Give the weights of the part before to
# `load_from`.
_base_ = './directpose_efficientnet-lite0_fpn_crop256_2xb16-4k_rendered.py'

model = dict(
    head=dict(assigner=dict(type='SimOTAAssigner', dynamic_k_indicator='oks', iou_weight=0.0))
)

max_iters = 3000
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], begin=1000, end=max_iters),
]
