# Ablation: without the auxiliary heatmaps.
_base_ = './directpose_r50-aa_fpn_8xb4-180k_coco.py'

model = dict(head=dict(heatmap_branch=None))
