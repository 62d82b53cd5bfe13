_base_ = [
    '../_base_/models/directpose_r50-aa_fpn.py',
    '../_base_/datasets/crowdpose_keypoints.py',
    '../_base_/schedules/schedule_90k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(
        metainfo=_base_.common.metainfo,
        finest_groups=[['top_head', 'neck']],
        groups=[
            ['top_head', 'neck'],
            ['left_shoulder'],
            ['left_elbow', 'left_wrist'],
            ['right_shoulder'],
            ['right_elbow', 'right_wrist'],
            ['left_hip'],
            ['left_knee', 'left_ankle'],
            ['right_hip'],
            ['right_knee', 'right_ankle'],
        ],
    )
)

default_hooks = dict(checkpoint=dict(save_best='crowdpose/AP'))
