# The original model: anti-aliased ResNet-50, FPN P3 to P7, KPAlign head; 32.88 M parameters.
model = dict(
    type='BottomupPoseEstimator',
    use_syncbn=True,
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[102.9801, 115.9465, 122.7717],  # BGR
        std=[1.0, 1.0, 1.0],
        pad_size_divisor=32,
    ),
    backbone=dict(
        type='ResNetAA',
        depth=50,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://antialiased-cnns.s3.us-east-2.amazonaws.com/'
            'weights_v0.1/resnet50_lpf3-a4e868d2.pth',
        ),
    ),
    neck=dict(
        type='mmdet.FPN',
        in_channels=[512, 1024, 2048],
        out_channels=256,
        num_outs=5,
        add_extra_convs='on_output',  # P6 from P5, P7 from ReLU(P6)
        relu_before_extra_convs=True,
        init_cfg=dict(
            type='Kaiming',
            layer='Conv2d',
            a=1,
            mode='fan_in',
            nonlinearity='leaky_relu',
            distribution='uniform',
        ),
    ),
    head=dict(
        type='DirectPoseHead',
        metainfo=dict(from_file='configs/_base_/datasets/coco.py'),
        in_channels=256,
        feat_channels=256,
        group_channels=64,
        # Keypoints that move together share a sampling position (paper, section 3.2).
        groups=[
            ['nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear'],
            ['left_shoulder'],
            ['left_elbow', 'left_wrist'],
            ['right_shoulder'],
            ['right_elbow', 'right_wrist'],
            ['left_hip'],
            ['left_knee', 'left_ankle'],
            ['right_hip'],
            ['right_knee', 'right_ankle'],
        ],
        # The head is small: its features come from P3, whatever the person's level is.
        finest_groups=[['nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear']],
        stacked_convs=4,
        strides=(8, 16, 32, 64, 128),
        regress_ranges=(
            (-1, 64),
            (64, 128),
            (128, 256),
            (256, 512),
            (512, 1e8),
        ),  # no inf: the dumped config could not be read
        center_sample_radius=1.5,
        keypoint_branch=dict(type='KPAlign'),
        heatmap_branch=dict(type='HeatmapBranch'),
        loss_cls=dict(type='mmdet.FocalLoss', alpha=0.25, gamma=2.0, loss_weight=1.0),
        loss_centerness=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        loss_keypoint=dict(type='mmdet.L1Loss', loss_weight=1.0),
        loss_heatmap=dict(type='mmdet.FocalLoss', alpha=0.25, gamma=2.0, loss_weight=4.0),
    ),
    test_cfg=dict(
        score_thr=0.0,  # the least score of a pose; MMPose's inferencer sets it
        cls_thr=0.05,  # candidates, by the classification alone
        nms_pre=1000,
        nms=dict(iou_threshold=0.4, offset=1),
        max_per_img=100,
    ),
)
