# The OKS for all three: which locations learn a person, a loss, and what the centerness branch
# learns.
_base_ = './oks-loss-and-score.py'

model = dict(
    head=dict(assigner=dict(type='SimOTAAssigner', dynamic_k_indicator='oks', iou_weight=0.0))
)
