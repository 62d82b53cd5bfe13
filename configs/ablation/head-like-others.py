# The head's features come from the next finer level instead of always P3.
_base_ = './base.py'

model = dict(head=dict(finest_groups=[]))
