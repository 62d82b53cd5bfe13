# Not of the paper: the loss of the object keypoint similarity beside the L1 loss.
_base_ = './directpose_r50-aa_fpn_8xb4-180k_coco.py'

model = dict(
    head=dict(
        type='DirectPoseOKSHead',
        loss_oks=dict(type='OKSLoss', reduction='none', norm_target_weight=True, loss_weight=1.0),
    )
)
