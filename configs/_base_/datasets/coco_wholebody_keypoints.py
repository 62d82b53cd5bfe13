# COCO-WholeBody, 133 keypoints of body, feet, face and hands on COCO's images.
#
#   data/coco/
#     annotations/coco_wholebody_{train,val}_v1.0.json
#     {train,val}2017/*.jpg
_base_ = './coco_keypoints.py'

dataset_type = 'BottomupCocoWholeBodyDataset'

train_dataloader = dict(
    dataset=dict(type=dataset_type, ann_file='annotations/coco_wholebody_train_v1.0.json')
)
val_dataloader = dict(
    dataset=dict(type=dataset_type, ann_file='annotations/coco_wholebody_val_v1.0.json')
)
test_dataloader = val_dataloader

val_evaluator = dict(type='CocoWholeBodyMetric')
test_evaluator = val_evaluator
