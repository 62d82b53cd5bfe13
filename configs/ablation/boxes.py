# People's boxes beside the poses, in one shot.
_base_ = './base.py'

model = dict(
    head=dict(
        type='DirectPoseBoxHead',
        box_branch=dict(type='BoxBranch', feat_channels=64, stacked_convs=2),
    )
)

# COCO's boxes instead of the keypoints'
train_pipeline = [_base_.train_pipeline[0], *_base_.train_pipeline[2:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
