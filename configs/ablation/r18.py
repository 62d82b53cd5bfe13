# The same backbone without anti-aliasing.
_base_ = './r18-aa.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmdet.ResNet',
        depth=18,
        base_channels=32,
        out_indices=(1, 2, 3),
        norm_eval=False,
        zero_init_residual=False,
    ),
)
