"""Operators that make a GPU wait: copies from Python data, and results that Python must see."""

from collections import Counter

import pytest
import torch
from mmengine.config import Config
from torch.utils._python_dispatch import TorchDispatchMode

from directpose.apis import optimize_for_inference
from tests.steps import build_model, make_batch

CONFIG = 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py'
WAITS = {
    'lift_fresh': 'a tensor from Python data, or an index that is a list',
    '_local_scalar_dense': 'a number for Python',
    'nonzero': 'a shape that depends on the data',
    'masked_select': 'likewise',
}


class CountWaits(TorchDispatchMode):
    """Counts the operators of ``WAITS``, and indexing by a mask as ``nonzero``."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix('aten::')
        if name in WAITS:
            self.counts[name] += 1
        if name in ('index', 'index_put', 'index_put_', '_index_put_impl_'):
            masks = [i for i in args[1] if i is not None and i.dtype == torch.bool]
            self.counts.update(['nonzero'] * len(masks))
        return func(*args, **(kwargs or {}))


@pytest.fixture
def model():
    return build_model(Config.fromfile(CONFIG))


def test_the_counter_sees_each_kind():
    values = torch.rand(4)
    with CountWaits() as waits:
        values[[0, 1]]
        values[values > 0.5]
        values.sum().item()
        torch.tensor([1, 2])
    assert waits.counts == dict(lift_fresh=2, nonzero=1, _local_scalar_dense=1)


def test_the_prepared_forward_has_none(model):
    optimize_for_inference(model.eval())
    with CountWaits() as waits:
        model(torch.randn(2, 3, 128, 160), None, mode='tensor')
    assert not waits.counts


@pytest.mark.parametrize('num_images', [1, 3])
def test_decoding_has_one_however_many_images(model, num_images):
    maps = model.eval()(torch.randn(num_images, 3, 128, 160), None, mode='tensor')
    metas = [dict(img_shape=(120, 155))] * num_images
    cfg = dict(model.test_cfg, cls_thr=0.0)
    with torch.no_grad(), CountWaits() as waits:
        poses = model.head.predict_by_feat(*maps, batch_img_metas=metas, cfg=cfg)
    assert all(len(p) for p in poses)
    # the images' sizes, which the device need not have finished anything for, and NMS
    assert waits.counts == dict(lift_fresh=1, nonzero=1)


def test_a_training_step_has_one_and_that_of_mmdet(model):
    batch = make_batch(model, 128)
    model.train().loss(**batch)  # makes the locations, which are kept
    with CountWaits() as waits:
        losses = model.loss(**batch)
        sum(losses.values()).backward()
    # the positive locations, and a check in mmdet's L1Loss
    assert waits.counts == dict(nonzero=1, _local_scalar_dense=1)
