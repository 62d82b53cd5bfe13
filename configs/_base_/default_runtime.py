# Hooks, logs and processes of training by iterations.
custom_imports = dict(imports=['directpose'], allow_failed_imports=False)
default_scope = 'mmpose'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='AtomicCheckpointHook',
        by_epoch=False,
        interval=5000,
        max_keep_ckpts=3,
        save_best='coco/AP',
        rule='greater',
    ),
    visualization=dict(type='PoseComparisonHook', enable=False),
    load_check=dict(type='CheckLoadedHook'),
)

env_cfg = dict(
    cudnn_benchmark=True,  # all crops have one size
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)

visualizer = dict(type='DirectPoseVisualizer', vis_backends=[dict(type='LocalVisBackend')])
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=False)
log_level = 'INFO'

load_from = None
resume = False

# What tools/test.py --tta looks at: multiples of the test's size, each upright and mirrored.
tta_model = dict(type='PoseTTAModel')
tta_views = dict(type='PoseTestTimeAug', scales=(1, 0.5, 0.75, 1.25, 1.5, 2), flip=True)
