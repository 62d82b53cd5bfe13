# The original optimisation: 180k steps of SGD on 32 images.
train_cfg = dict(type='ResumableIterTrainLoop', max_iters=180000, val_interval=10000)
val_cfg = dict()
test_cfg = dict()

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='BiasHeadOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4),
    paramwise_cfg=dict(bias_lr_mult=2, bias_decay_mult=0, head_lr_mult=10),
    clip_grad=dict(max_norm=5.0),
)

# lr(t) = lr * w(t) * (1 - t / 180000), w = 1/3 for t < 500 and 1 after. MMEngine's schedulers
# reach their end at step end - 1, hence the ones.
param_scheduler = [
    dict(type='ConstantLR', factor=1 / 3, begin=0, end=501, by_epoch=False),
    dict(type='PolyLR', power=1.0, eta_min=0, begin=0, end=180001, by_epoch=False),
]

auto_scale_lr = dict(enable=False, base_batch_size=32)
