# Half as wide, with half as many convolutions in the towers: for speed.
_base_ = './directpose_r50-aa_fpn.py'

model = dict(
    backbone=dict(
        depth=18,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://antialiased-cnns.s3.us-east-2.amazonaws.com/'
            'weights_v0.1/resnet18_lpf3-449351b9.pth',
        ),
    ),
    neck=dict(in_channels=[128, 256, 512], out_channels=128),
    head=dict(
        in_channels=128,
        feat_channels=128,
        group_channels=32,
        stacked_convs=2,
        heatmap_branch=dict(feat_channels=64),
    ),
)
