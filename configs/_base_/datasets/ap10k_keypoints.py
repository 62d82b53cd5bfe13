# AP-10K, 17 keypoints of animals. Its 54 species become the one category that is detected by
# tools/dataset_converters/merge_categories.py, once for each annotation file:
#
#   python tools/dataset_converters/merge_categories.py \
#       data/ap10k/annotations/ap10k-train-split1.json \
#       data/ap10k/annotations/ap10k-train-split1_animal.json --name animal
#
#   data/ap10k/
#     annotations/ap10k-{train,val,test}-split1_animal.json
#     data/*.jpg
_base_ = './coco_keypoints.py'

data_root = 'data/ap10k/'
common = dict(
    data_root=data_root,
    metainfo=dict(from_file='configs/_base_/datasets/ap10k.py'),
    data_prefix=dict(img='data/'),
)

train_dataloader = dict(
    dataset=dict(ann_file='annotations/ap10k-train-split1_animal.json', **common)
)
val_dataloader = dict(dataset=dict(ann_file='annotations/ap10k-val-split1_animal.json', **common))
test_dataloader = dict(dataset=dict(ann_file='annotations/ap10k-test-split1_animal.json', **common))
