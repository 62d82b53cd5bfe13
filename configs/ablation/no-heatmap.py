# Without the auxiliary heatmaps.
_base_ = './base.py'

model = dict(head=dict(heatmap_branch=None))
