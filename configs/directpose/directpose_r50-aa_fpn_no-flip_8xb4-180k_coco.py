# Without the horizontal flip in training.
_base_ = './directpose_r50-aa_fpn_8xb4-180k_coco.py'

train_pipeline = [step for step in _base_.train_pipeline if step['type'] != 'RandomFlip']
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
