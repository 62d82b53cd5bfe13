_base_ = [
    '../_base_/models/directpose_r18-aa-small_fpn.py',
    '../_base_/datasets/coco_keypoints_416.py',
    '../_base_/schedules/schedule_90k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    backbone=dict(
        _delete_=True,
        type='mmdet.MobileNetV2',
        out_indices=(2, 4, 7),  # 7 is the last convolution: without it DDP has unused weights
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://mmdet/mobilenet_v2'),
    ),
    neck=dict(in_channels=[32, 96, 1280]),
)

auto_scale_lr = dict(base_batch_size=64)
