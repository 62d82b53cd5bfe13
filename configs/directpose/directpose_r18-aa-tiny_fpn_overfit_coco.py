# Learn a dozen photographs by heart: the proof that the whole chain, from JPEG to pose, is right.
# tools/dataset_converters/make_coco_subset.py makes the data.
_base_ = [
    '../_base_/models/directpose_r18-aa-tiny_fpn.py',
    '../_base_/datasets/coco_keypoints_320.py',
    '../_base_/schedules/schedule_adamw_cosine.py',
    '../_base_/default_runtime.py',
]

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='BBoxFromKeypoints'),
    dict(type='RandomShortSideResize', short_side=(320, 320), max_long_side=533),
    *_base_.train_pipeline[-2:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=200))
