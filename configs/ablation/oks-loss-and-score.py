# The OKS loss, and the OKS as what the centerness branch learns.
_base_ = './oks-loss.py'

model = dict(head=dict(score_by_oks=True))
