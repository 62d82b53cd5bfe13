# Ablation: the head's features, too, come from the next finer level instead of always P3.
_base_ = './directpose_r50-aa_fpn_8xb4-180k_coco.py'

model = dict(head=dict(finest_groups=[]))
