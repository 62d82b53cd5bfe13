# The backbone starts from random weights, and learns as a whole.
_base_ = './base.py'

model = dict(backbone=dict(frozen_stages=-1, norm_eval=False, init_cfg=None))
