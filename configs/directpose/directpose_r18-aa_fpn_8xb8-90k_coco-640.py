_base_ = [
    '../_base_/models/directpose_r18-aa-small_fpn.py',
    '../_base_/datasets/coco_keypoints_640.py',
    '../_base_/schedules/schedule_90k.py',
    '../_base_/default_runtime.py',
]

auto_scale_lr = dict(base_batch_size=64)
