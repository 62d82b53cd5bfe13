# A small model on a backbone that knows ImageNet: 3.4 M parameters.
_base_ = './directpose_r18-aa-tiny_fpn.py'

model = dict(
    use_syncbn=False,
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3, bgr_to_rgb=True),
    backbone=dict(
        _delete_=True,
        type='EfficientNetLite0',
        frozen_stages=3,
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='directpose://efficientnet-lite0_imagenet'),
    ),
    neck=dict(in_channels=[40, 112, 320]),
)
