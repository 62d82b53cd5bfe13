# A plain ResNet-50 with torchvision's weights, which expect torchvision's normalised RGB.
_base_ = './directpose_r50-aa_fpn_8xb4-180k_coco.py'

model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    backbone=dict(
        _delete_=True,
        type='mmdet.ResNet',
        depth=50,
        out_indices=(1, 2, 3),
        norm_eval=False,  # like the original, nothing is frozen
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    ),
)
