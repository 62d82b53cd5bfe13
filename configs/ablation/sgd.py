# The paper's optimiser at its learning rate.
_base_ = './base.py'

optim_wrapper = dict(
    constructor='BiasHeadOptimWrapperConstructor',
    optimizer=dict(_delete_=True, type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4),
    paramwise_cfg=dict(_delete_=True, bias_lr_mult=2, bias_decay_mult=0, head_lr_mult=10),
)
