# A score for each keypoint of the small model: the rest of the model stays as it is.
_base_ = './directpose_efficientnet-lite0_fpn_crop256_1xb16-5k_synthetic.py'

model = dict(
    init_cfg=[dict(type='Pretrained', checkpoint='directpose://directpose-tiny')],
    head=dict(
        type='DirectPoseScoreHead', scores_alone=True, keypoint_branch=dict(type='ScoredKPAlign')
    ),
)
train_dataloader = dict(dataset=dict(keep_visibility=True))
find_unused_parameters = True

max_iters = 300
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=20),
    dict(_base_.param_scheduler[1], begin=20, end=max_iters),
]
optim_wrapper = dict(optimizer=dict(lr=1e-2))
custom_hooks = []
