# Ablation: all keypoints by one convolution on a tower like that of FCOS's boxes.
_base_ = './directpose_r50-aa_fpn_8xb4-180k_coco.py'

model = dict(
    head=dict(
        groups=None,
        finest_groups=[],
        group_channels=256,
        keypoint_branch=dict(type='PlainKeypointBranch'),
    )
)
