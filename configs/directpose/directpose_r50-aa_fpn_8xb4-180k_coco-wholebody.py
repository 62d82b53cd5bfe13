# 133 keypoints in 18 groups, half as wide as COCO's nine: the tower stays as it is.
_base_ = [
    '../_base_/models/directpose_r50-aa_fpn.py',
    '../_base_/datasets/coco_wholebody_keypoints.py',
    '../_base_/schedules/schedule_180k.py',
    '../_base_/default_runtime.py',
]

hand_parts = ['hand_root'] + [
    f'{finger}{joint}'
    for finger in ('thumb', 'forefinger', 'middle_finger', 'ring_finger', 'pinky_finger')
    for joint in (1, 2, 3, 4)
]
groups = [
    ['nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear'],
    [f'face-{i}' for i in range(17)],  # the jaw
    [f'face-{i}' for i in range(17, 27)],  # the brows
    [f'face-{i}' for i in range(27, 36)],  # the nose
    [f'face-{i}' for i in range(36, 48)],  # the eyes
    [f'face-{i}' for i in range(48, 68)],  # the mouth
    [f'left_{part}' for part in hand_parts],
    [f'right_{part}' for part in hand_parts],
    ['left_shoulder'],
    ['left_elbow', 'left_wrist'],
    ['right_shoulder'],
    ['right_elbow', 'right_wrist'],
    ['left_hip'],
    ['left_knee', 'left_ankle'],
    ['left_big_toe', 'left_small_toe', 'left_heel'],
    ['right_hip'],
    ['right_knee', 'right_ankle'],
    ['right_big_toe', 'right_small_toe', 'right_heel'],
]

model = dict(
    head=dict(
        metainfo=dict(from_file='configs/_base_/datasets/coco_wholebody.py'),
        groups=groups,
        finest_groups=groups[:8],  # faces and hands are as small as heads
        group_channels=32,
    )
)

default_hooks = dict(checkpoint=dict(save_best='coco-wholebody/AP'))
