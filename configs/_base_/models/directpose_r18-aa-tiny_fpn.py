# A quarter as wide and half as deep: learns on two CPU cores.
_base_ = './directpose_r50-aa_fpn.py'

model = dict(
    backbone=dict(depth=18, base_channels=32, init_cfg=None),
    neck=dict(in_channels=[64, 128, 256], out_channels=64),
    head=dict(
        in_channels=64,
        feat_channels=64,
        group_channels=16,
        stacked_convs=2,
        heatmap_branch=dict(feat_channels=32),
    ),
)
