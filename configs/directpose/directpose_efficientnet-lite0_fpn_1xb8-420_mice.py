# From the small model's people to keypoints of one's own: drawn mice, in minutes on a CPU.
# tools/dataset_converters/make_drawn_mice.py data/drawn_mice
_base_ = './directpose_efficientnet-lite0_fpn_1xb16-6k_synthetic.py'

metainfo = dict(
    _delete_=True,
    dataset_name='mice',
    keypoint_info={
        0: dict(name='snout', swap=''),
        1: dict(name='left_ear', swap='right_ear'),
        2: dict(name='right_ear', swap='left_ear'),
        3: dict(name='tail_base', swap=''),
        4: dict(name='tail_tip', swap=''),
    },
    skeleton_info={
        0: dict(link=('snout', 'left_ear')),
        1: dict(link=('snout', 'right_ear')),
        2: dict(link=('snout', 'tail_base')),
        3: dict(link=('tail_base', 'tail_tip')),
    },
    joint_weights=[1.0] * 5,
    sigmas=[],
)
model = dict(
    # what has the same shape: backbone, neck and classification, not the layers of the keypoints
    init_cfg=[dict(type='Pretrained', checkpoint='directpose://directpose-tiny')],
    head=dict(
        metainfo=metainfo,
        groups=[['snout', 'left_ear', 'right_ear'], ['tail_base'], ['tail_tip']],
        finest_groups=[['snout', 'left_ear', 'right_ear']],
    ),
)

common = dict(data_root='data/drawn_mice/', data_prefix=dict(img='images/'), metainfo=metainfo)
# Such pictures load quickly, without processes of their own.
loading = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(
    batch_size=8,
    **loading,
    dataset=dict(
        ann_file='annotations/train.json', filter_cfg=dict(min_labelled_keypoints=1), **common
    ),
)
val_dataloader = dict(dataset=dict(ann_file='annotations/val.json', **common), **loading)
test_dataloader = val_dataloader

max_iters = 420
train_cfg = dict(max_iters=max_iters, val_interval=60)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=20),
    dict(_base_.param_scheduler[1], begin=20, end=max_iters),
]
optim_wrapper = dict(type='OptimWrapper')  # not every CPU has units for bfloat16
custom_hooks = []
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=100))
auto_scale_lr = dict(base_batch_size=8)
