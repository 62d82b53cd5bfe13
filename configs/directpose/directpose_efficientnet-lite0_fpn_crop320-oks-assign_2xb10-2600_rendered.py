# The small model that comes with the package, sixth and seventh part of its training: larger
# people, also those of whom little is seen, in larger crops of sharper pictures. Give the weights
# that the part starts from to `load_from`.
_base_ = './directpose_efficientnet-lite0_fpn_crop256-oks-assign_2xb16-3k_rendered.py'

train_pipeline = [
    *_base_.train_pipeline[:2],
    dict(type='RandomShortSideResize', short_side=(224, 544), max_long_side=900),
    _base_.train_pipeline[3],
    dict(type='CropAroundPerson', crop_size=(320, 320)),
    *_base_.train_pipeline[5:],
]
drawn = dict(_base_.drawn, indices=3000)
# A face alone has no more than five keypoints.
rendered = dict(
    _base_.rendered, filter_cfg=dict(_base_.rendered.filter_cfg, min_labelled_keypoints=1)
)
train_dataloader = dict(
    batch_size=10,
    dataset=dict(
        datasets=[drawn, rendered, dict(rendered, data_root='data/rendered_448/')],
        pipeline=train_pipeline,
    ),
)

optim_wrapper = dict(optimizer=dict(lr=1.5e-3))
max_iters = 2600
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], begin=900, end=max_iters),
]
auto_scale_lr = dict(base_batch_size=20)
