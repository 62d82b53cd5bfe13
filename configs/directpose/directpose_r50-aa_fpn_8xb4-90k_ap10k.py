_base_ = [
    '../_base_/models/directpose_r50-aa_fpn.py',
    '../_base_/datasets/ap10k_keypoints.py',
    '../_base_/schedules/schedule_90k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(
        metainfo=_base_.common.metainfo,
        finest_groups=[['L_Eye', 'R_Eye', 'Nose']],
        groups=[
            ['L_Eye', 'R_Eye', 'Nose'],
            ['Neck'],
            ['Root of tail'],
            ['L_Shoulder'],
            ['L_Elbow', 'L_F_Paw'],
            ['R_Shoulder'],
            ['R_Elbow', 'R_F_Paw'],
            ['L_Hip'],
            ['L_Knee', 'L_B_Paw'],
            ['R_Hip'],
            ['R_Knee', 'R_B_Paw'],
        ],
    )
)
