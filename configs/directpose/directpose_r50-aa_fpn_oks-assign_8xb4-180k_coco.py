# Not of the paper: a person has the locations, of whatever level, that predict it best.
_base_ = './directpose_r50-aa_fpn_8xb4-180k_coco.py'

model = dict(
    head=dict(
        type='DirectPoseOKSHead',
        assigner=dict(type='SimOTAAssigner', dynamic_k_indicator='oks', iou_weight=0.0),
    )
)
