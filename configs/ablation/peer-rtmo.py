# MMPose's RTMO on the base's backbone. Neck, head and losses are those of its zoo, a quarter as
# wide. It trains in float32, as peer-yoloxpose.py does. The zoo changes the losses at epoch 280 of
# 600; this schedule is shorter and keeps the first losses.
_base_ = './peer-yoloxpose.py'

model = dict(
    neck=dict(
        _delete_=True,
        type='HybridEncoder',
        in_channels=[40, 112, 320],
        deepen_factor=0.33,
        widen_factor=0.5,
        hidden_dim=64,
        output_indices=[1, 2],
        encoder_cfg=dict(
            self_attn_cfg=dict(embed_dims=64, num_heads=8, dropout=0.0),
            ffn_cfg=dict(
                embed_dims=64, feedforward_channels=256, ffn_drop=0.0, act_cfg=dict(type='GELU')
            ),
        ),
        projector=dict(
            type='ChannelMapper',
            in_channels=[64, 64],
            kernel_size=1,
            out_channels=64,
            act_cfg=None,
            norm_cfg=dict(type='BN'),
            num_outs=2,
        ),
    ),
    head=dict(
        _delete_=True,
        type='RTMOHead',
        num_keypoints=17,
        featmap_strides=(16, 32),
        head_module_cfg=dict(
            in_channels=256,
            cls_feat_channels=256,
            channels_per_group=36,
            pose_vec_channels=64,
            widen_factor=0.125,
        ),
        assigner=dict(
            type='SimOTAAssigner',
            dynamic_k_indicator='oks',
            oks_calculator=dict(type='PoseOKS', metainfo='configs/_base_/datasets/coco.py'),
            use_keypoints_for_center=True,
        ),
        prior_generator=dict(type='MlvlPointGenerator', centralize_points=True, strides=[16, 32]),
        dcc_cfg=dict(
            in_channels=64,
            feat_channels=32,
            num_bins=(192, 256),
            spe_channels=32,
            gau_cfg=dict(
                s=32,
                expansion_factor=2,
                dropout_rate=0.0,
                drop_path=0.0,
                act_fn='SiLU',
                pos_enc='add',
            ),
        ),
        overlaps_power=0.5,
        loss_cls=dict(type='VariFocalLoss', reduction='sum', use_target_weight=True),
        loss_bbox=dict(type='IoULoss', mode='square', eps=1e-16, reduction='sum', loss_weight=5.0),
        loss_oks=dict(
            type='OKSLoss',
            reduction='none',
            metainfo='configs/_base_/datasets/coco.py',
            loss_weight=30.0,
        ),
        loss_vis=dict(type='BCELoss', use_target_weight=True),
        loss_mle=dict(type='MLECCLoss', use_target_weight=True),
    ),
    test_cfg=dict(score_thr=0.1),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'neck.encoder': dict(lr_mult=0.05)}))
