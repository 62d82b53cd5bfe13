# A score for each keypoint of the small model: the rest of the model stays as it is.
_base_ = './directpose_efficientnet-lite0_fpn_crop256-oks-assign_2xb16-3k_rendered.py'

model = dict(
    init_cfg=[dict(type='Pretrained', checkpoint='directpose://directpose-tiny')],
    head=dict(
        type='DirectPoseScoreHead', scores_alone=True, keypoint_branch=dict(type='ScoredKPAlign')
    ),
)
drawn = dict(_base_.drawn, keep_visibility=True)
rendered = dict(_base_.rendered, keep_visibility=True)
train_dataloader = dict(dataset=dict(datasets=[drawn, rendered]))
find_unused_parameters = True

max_iters = 300
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=20),
    dict(_base_.param_scheduler[1], begin=20, end=max_iters),
]
optim_wrapper = dict(optimizer=dict(lr=1e-2))
custom_hooks = []
auto_scale_lr = dict(base_batch_size=16)
