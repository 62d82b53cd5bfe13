# CrowdPose, 14 keypoints, with mmpose's annotation files.
#
#   data/crowdpose/
#     annotations/mmpose_crowdpose_{trainval,test}.json
#     images/*.jpg
_base_ = './coco_keypoints.py'

data_root = 'data/crowdpose/'
common = dict(
    data_root=data_root,
    metainfo=dict(from_file='configs/_base_/datasets/crowdpose.py'),
    data_prefix=dict(img='images/'),
)

train_dataloader = dict(
    dataset=dict(ann_file='annotations/mmpose_crowdpose_trainval.json', **common)
)
val_dataloader = dict(
    dataset=dict(ann_file='annotations/mmpose_crowdpose_test.json', use_area=False, **common)
)
test_dataloader = val_dataloader

# Its own AP, by crowding, and no segmented areas (`use_area` above, too).
val_evaluator = dict(iou_type='keypoints_crowd', use_area=False, prefix='crowdpose')
test_evaluator = val_evaluator
