# The OKS loss beside the L1 loss.
_base_ = './base.py'

model = dict(
    head=dict(
        type='DirectPoseOKSHead',
        loss_oks=dict(type='OKSLoss', reduction='none', norm_target_weight=True, loss_weight=2.0),
    )
)
