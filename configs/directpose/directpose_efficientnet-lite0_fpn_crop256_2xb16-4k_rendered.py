# The small model that comes with the package, third and fourth part of its training: rendered
# people beside drawn ones. Give the weights of the part before to `load_from`.
_base_ = './directpose_efficientnet-lite0_fpn_crop256_1xb16-5k_synthetic.py'

train_pipeline = [
    *_base_.train_pipeline[:3],
    # It writes into the picture, so it stands before the flip, which is a view.
    dict(type='YOLOXHSVRandomAug'),
    *_base_.train_pipeline[3:],
]
drawn = dict(_base_.train_dataloader.dataset, indices=6000, pipeline=[])
rendered = dict(
    _base_.train_dataloader.dataset,
    data_root='data/rendered/',
    # Pictures without people teach what is not a person.
    filter_cfg=dict(_base_.train_dataloader.dataset.filter_cfg, keep_negatives=True),
    pipeline=[],
)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CombinedDataset',
        metainfo=dict(from_file='configs/_base_/datasets/coco.py'),
        datasets=[drawn, rendered],
        pipeline=train_pipeline,
    )
)

max_iters = 4000
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], begin=1500, end=max_iters),
]
auto_scale_lr = dict(base_batch_size=32)
