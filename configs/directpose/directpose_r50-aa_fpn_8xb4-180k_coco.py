# The original recipe: 8 GPUs x 4 images, 180k iterations, multi-scale training on COCO.
_base_ = [
    '../_base_/models/directpose_r50-aa_fpn.py',
    '../_base_/datasets/coco_keypoints.py',
    '../_base_/schedules/schedule_180k.py',
    '../_base_/default_runtime.py',
]
