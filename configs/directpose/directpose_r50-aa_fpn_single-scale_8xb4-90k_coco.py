# Whole images at the scale of the test, for half as long.
_base_ = [
    '../_base_/models/directpose_r50-aa_fpn.py',
    '../_base_/datasets/coco_keypoints.py',
    '../_base_/schedules/schedule_90k.py',
    '../_base_/default_runtime.py',
]

train_pipeline = [
    *_base_.train_pipeline[:2],
    dict(type='RandomShortSideResize', short_side=(800, 800), max_long_side=1333),
    *_base_.train_pipeline[4:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
env_cfg = dict(cudnn_benchmark=False)  # whole images have many sizes
