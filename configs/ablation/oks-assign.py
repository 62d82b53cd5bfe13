# A person has the locations, of whatever level, that predict it best.
_base_ = './base.py'

model = dict(
    head=dict(
        type='DirectPoseOKSHead',
        assigner=dict(type='SimOTAAssigner', dynamic_k_indicator='oks', iou_weight=0.0),
    )
)
