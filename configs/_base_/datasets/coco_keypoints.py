# COCO keypoints as DirectPose was trained and tested on them.
#
#   data/coco/
#     annotations/person_keypoints_{train,val}2017.json
#     {train,val}2017/*.jpg
#
# `data_root` stands in the data sets alone: everything else is relative to it, and the metric
# scores against the annotation file of the data set that it is given.
dataset_type = 'BottomupCocoDataset'
data_mode = 'bottomup'
data_root = 'data/coco/'

codec = dict(type='YOLOXPoseAnnotationProcessor')

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='BBoxFromKeypoints'),
    dict(type='RandomShortSideResize', short_side=(480, 1600), max_long_side=2666),
    dict(type='CropAroundPerson', crop_size=(800, 800)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='GenerateTarget', encoder=codec),
    dict(
        type='PackPoseInputs',
        meta_keys=(
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
            'crop_offset',
            'flip',
            'flip_direction',
            'flip_indices',
        ),
    ),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='ShortSideResize', short_side=800, max_long_side=1333),
    dict(
        type='PackPoseInputs',
        meta_keys=(
            'id',
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'input_size',
            'input_center',
            'input_scale',
            'flip',
            'flip_direction',
            'flip_indices',
        ),
    ),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='ResumableInfiniteSampler'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_mode=data_mode,
        ann_file='annotations/person_keypoints_train2017.json',
        data_prefix=dict(img='train2017/'),
        filter_cfg=dict(min_labelled_keypoints=10, min_bbox_size=1),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    # GroupNorm sees the padding: at batch 1 a result does not depend on other images.
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_mode=data_mode,
        ann_file='annotations/person_keypoints_val2017.json',
        data_prefix=dict(img='val2017/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# The model has scored the people and suppressed duplicates; the metric does neither again.
val_evaluator = dict(type='CocoMetric', score_mode='bbox', nms_mode='none')
test_evaluator = val_evaluator
