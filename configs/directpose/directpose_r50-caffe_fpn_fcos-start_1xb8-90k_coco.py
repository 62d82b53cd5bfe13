# One GPU: starts from MMDetection's FCOS, trained on COCO's boxes, and converted by
# tools/model_converters/fcos_to_directpose.py. Untried at full length.
_base_ = './directpose_r50-aa_fpn_8xb4-180k_coco.py'

load_from = 'work_dirs/fcos_r50-caffe.pth'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmdet.ResNet',
        depth=50,
        out_indices=(1, 2, 3),
        style='caffe',
        # as FCOS was trained: a batch of 8 is too small for batch norm
        frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
    ),
)

max_iters = 90000
train_cfg = dict(max_iters=max_iters)
train_dataloader = dict(batch_size=8)
# the learning rate for 8 images in place of 32
optim_wrapper = dict(optimizer=dict(lr=0.0025))
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=max_iters + 1),
]
auto_scale_lr = dict(base_batch_size=8)
