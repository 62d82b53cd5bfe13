# Drawn people with COCO's keypoints, in COCO's layout, written by
# tools/dataset_converters/make_synthetic_coco.py.
_base_ = './coco_keypoints_320.py'

data_root = 'data/synthetic/'

train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
