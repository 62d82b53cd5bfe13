_base_ = './directpose_r50-aa_fpn_8xb4-180k_coco.py'

model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(
            checkpoint='https://antialiased-cnns.s3.us-east-2.amazonaws.com/'
            'weights_v0.1/resnet101_lpf3-928f1444.pth'
        ),
    )
)
