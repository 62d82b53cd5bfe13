# Poses and people's boxes in one shot. The boxes are COCO's instead of the keypoints': they say
# which location learns whom, they are predicted, and NMS is on those predicted.
_base_ = './directpose_r50-aa_fpn_8xb4-180k_coco.py'

model = dict(head=dict(type='DirectPoseBoxHead'))

train_pipeline = [
    _base_.train_pipeline[0],
    # crowds, and people without a labelled keypoint
    dict(type='FilterAnnotations', by_kpt=True, keep_empty=False),
    *_base_.train_pipeline[2:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
