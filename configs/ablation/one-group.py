# One locator for all keypoints, which share the features of one point.
_base_ = './base.py'

model = dict(head=dict(groups=None, finest_groups=[], group_channels=64))
