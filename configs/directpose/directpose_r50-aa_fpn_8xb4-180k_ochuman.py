# Trained on COCO, tested on OCHuman, which has heavily occluded people and no training set.
#
#   data/ochuman/
#     annotations/ochuman_coco_format_test_range_0.00_1.00.json
#     images/*.jpg
_base_ = './directpose_r50-aa_fpn_8xb4-180k_coco.py'

test_dataloader = dict(
    dataset=dict(
        data_root='data/ochuman/',
        metainfo=dict(from_file='configs/_base_/datasets/ochuman.py'),
        ann_file='annotations/ochuman_coco_format_test_range_0.00_1.00.json',
        data_prefix=dict(img='images/'),
    )
)
test_evaluator = dict(prefix='ochuman')
