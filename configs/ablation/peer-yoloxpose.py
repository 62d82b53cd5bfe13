# MMPose's YOLOX-Pose on the base's backbone, as cheap as the base. Neck, head and losses are those
# of its zoo, with narrower maps. Its head adds offsets to locations in the precision of its maps.
# bfloat16 would round the sums to whole pixels, so this row trains in float32.
_base_ = './base.py'

model = dict(
    init_cfg=dict(
        type='Kaiming',
        layer='Conv2d',
        a=5**0.5,
        distribution='uniform',
        mode='fan_in',
        nonlinearity='leaky_relu',
    ),
    neck=dict(
        _delete_=True,
        type='YOLOXPAFPN',
        in_channels=[40, 112, 320],
        out_channels=48,
        num_csp_blocks=1,
    ),
    head=dict(
        _delete_=True,
        type='YOLOXPoseHead',
        num_keypoints=17,
        head_module_cfg=dict(in_channels=256, feat_channels=256, widen_factor=48 / 256),
        prior_generator=dict(type='MlvlPointGenerator', offset=0, strides=[8, 16, 32]),
        assigner=dict(type='SimOTAAssigner', dynamic_k_indicator='oks'),
        overlaps_power=0.5,
        loss_cls=dict(type='BCELoss', reduction='sum'),
        loss_bbox=dict(type='IoULoss', mode='square', eps=1e-16, reduction='sum', loss_weight=5.0),
        loss_obj=dict(type='BCELoss', use_target_weight=True, reduction='sum'),
        loss_oks=dict(
            type='OKSLoss',
            reduction='none',
            metainfo='configs/_base_/datasets/coco.py',
            norm_target_weight=True,
            loss_weight=30.0,
        ),
        loss_vis=dict(type='BCELoss', use_target_weight=True),
    ),
    test_cfg=dict(_delete_=True, score_thr=0.01, nms_thr=0.65),
)
optim_wrapper = dict(type='OptimWrapper')
