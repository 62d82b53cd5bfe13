# Ablation: one locator for all keypoints, which share the features of one point.
_base_ = './directpose_r50-aa_fpn_8xb4-180k_coco.py'

model = dict(head=dict(groups=None, finest_groups=[], group_channels=256))
