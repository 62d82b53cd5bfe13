# All keypoints by one convolution on a tower like that of FCOS's boxes.
_base_ = './base.py'

model = dict(
    head=dict(
        groups=None,
        finest_groups=[],
        group_channels=64,
        keypoint_branch=dict(type='PlainKeypointBranch'),
    )
)
