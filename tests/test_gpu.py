"""What only a GPU can show. `pytest -m gpu` runs these tests; the rest of the suite hides GPUs.

Most compare a GPU with the CPU, where other tests hold the numbers. They were written on a
machine without a GPU and have not run on one yet: a failure may be the test's fault.
"""

import copy

import numpy as np
import onnxruntime
import pytest
import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.model.wrappers import MMDistributedDataParallel
from mmpose.registry import OPTIM_WRAPPERS
from torch import nn

from directpose.apis import optimize_for_inference
from directpose.models.kpalign import KPAlign
from tests.deformable_kpalign import deformable_kpalign
from tests.steps import build_model, make_batch, train_a_step

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(), reason='needs a GPU that PyTorch sees: pytest -m gpu'
    ),
]
CONFIG = 'configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py'


@pytest.fixture(autouse=True)
def full_precision():
    """Without TF32, so that fp32 on the GPU is as precise as on the CPU."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision('highest')
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield
    torch.set_float32_matmul_precision(before)


def tiny_model():
    return build_model(Config.fromfile(CONFIG))


def assert_near(got, want, bound):
    """The largest error is at most ``bound`` of the largest magnitude."""
    got, want = got.float().cpu(), want.float().cpu()
    assert got.shape == want.shape
    assert (got - want).abs().max() <= bound * want.abs().max()


def test_kpalign_equals_deformable_convolutions():
    """The reference runs on the CPU: MMCV may have no operator for the GPU."""
    torch.manual_seed(0)
    groups = [[0, 3, 1], [4], [2, 6], [5]]
    module = KPAlign(8, groups, (8, 16, 32, 64, 128), num_finest=1)
    nn.init.normal_(module.locator.weight, std=0.4)
    nn.init.normal_(module.locator.bias, std=2.0)
    sizes = [(20, 28), (10, 14), (5, 7), (3, 4), (2, 2)]
    feats = [torch.randn(2, 32, *size, requires_grad=True) for size in sizes]
    on_gpu = [feat.detach().cuda().requires_grad_() for feat in feats]

    want = deformable_kpalign(module, feats, groups, num_finest=1)
    got = copy.deepcopy(module).cuda()(on_gpu)
    for ours, theirs in zip(got, want, strict=True):
        assert_near(ours, theirs, 1e-4)
    sum(pred.square().sum() for pred in want).backward()
    sum(pred.square().sum() for pred in got).backward()
    for ours, theirs in zip(on_gpu, feats, strict=True):
        if theirs.grad is not None:  # of the coarsest level no feature is sampled
            assert_near(ours.grad, theirs.grad, 1e-3)


@pytest.mark.parametrize(
    'wrapper, bound',
    [
        (dict(type='AmpOptimWrapper', dtype='float16', loss_scale=128.0), 0.02),
        (dict(type='Bf16OptimWrapper'), 0.1),
    ],
    ids=['fp16', 'bf16'],
)
def test_a_step_in_mixed_precision(wrapper, bound):
    model = tiny_model()
    want = copy.deepcopy(model).train().loss(**make_batch(model, 128))
    model.cuda()
    batch = make_batch(model, 128)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    optim_wrapper = OPTIM_WRAPPERS.build(dict(wrapper, optimizer=optimizer))
    with torch.no_grad(), optim_wrapper.optim_context(model):
        losses = copy.deepcopy(model).train().loss(**batch)
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(want[name].item(), rel=bound), name
    train_a_step(model, batch, optim_wrapper)


def sync_bn_step(rank, folder, world_size):
    """One process of a step of batch norm over all processes."""
    torch.cuda.set_device(rank)
    dist.init_process_group(
        'nccl', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=world_size
    )
    torch.manual_seed(0)
    net = nn.SyncBatchNorm.convert_sync_batchnorm(norm_net()).cuda()
    net = MMDistributedDataParallel(net, device_ids=[rank])
    images = norm_images(world_size)[rank::world_size].cuda()
    net(images).square().mean().backward()
    if rank == 0:
        state = dict(net.module.state_dict(), grad=net.module[0].weight.grad)
        torch.save({name: value.cpu() for name, value in state.items()}, f'{folder}/result.pth')
    dist.destroy_process_group()


def norm_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))


def norm_images(world_size):
    return torch.randn(2 * world_size, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize('world_size', [1, 2])
def test_a_step_with_batch_norm_over_all_processes(tmp_path, world_size):
    """NCCL's processes compute together what one process computes of the whole batch."""
    if torch.cuda.device_count() < world_size:
        pytest.skip(f'needs {world_size} GPUs')
    net = norm_net()
    net(norm_images(world_size)).square().mean().backward()
    torch.multiprocessing.spawn(sync_bn_step, (str(tmp_path), world_size), nprocs=world_size)
    result = torch.load(tmp_path / 'result.pth', weights_only=True)
    assert_near(result['grad'], net[0].weight.grad, 1e-3)
    for name in ('1.running_mean', '1.running_var'):
        assert_near(result[name], net.state_dict()[name], 1e-4)


@pytest.mark.parametrize(
    'dtype, compiled, bound',
    [
        (torch.float32, False, 1e-3),
        (torch.float16, False, 2e-2),
        (torch.bfloat16, False, 1e-1),
        (torch.float32, True, 1e-3),
    ],
    ids=['fp32', 'fp16', 'bf16', 'compiled'],
)
def test_a_prepared_model_gives_the_same_maps(dtype, compiled, bound):
    model = tiny_model().eval()
    images = torch.randn(2, 3, 128, 160)
    with torch.no_grad():
        want = model(images, None, mode='tensor')
        optimize_for_inference(model.cuda(), dtype, compile=compiled)
        got = model(images.cuda(), None, mode='tensor')
    for ours, theirs in zip(got, want, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert_near(a, b, bound)


def test_the_prepared_forward_never_waits_for_the_gpu():
    model = optimize_for_inference(tiny_model().eval().cuda(), torch.float16)
    images = torch.randn(2, 3, 128, 160, device='cuda')
    with torch.no_grad():
        model(images, None, mode='tensor')  # cuDNN may wait the first time
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode('error')
        try:
            model(images, None, mode='tensor')
        finally:
            torch.cuda.set_sync_debug_mode('default')


@pytest.mark.skipif(
    'CUDAExecutionProvider' not in onnxruntime.get_available_providers(),
    reason='needs an ONNX Runtime with the provider CUDAExecutionProvider',
)
def test_an_exported_model_runs_on_the_gpu(tmp_path):
    from synthetic.scene import draw_picture

    from directpose.runtime import DirectPose
    from tools.deployment.export_onnx import main

    model = tiny_model()
    nn.init.normal_(model.head.conv_cls.weight, std=0.1)  # far-apart scores
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'model.pth')
    main([CONFIG, str(tmp_path / 'model.pth'), str(tmp_path / 'model.onnx')])
    image = draw_picture(np.random.default_rng(0), 144).image
    want, got = (
        DirectPose(tmp_path / 'model.onnx', score_thr=0.0, providers=[provider])(image)
        for provider in ('CPUExecutionProvider', ('CUDAExecutionProvider', dict(use_tf32=0)))
    )
    assert len(want.scores) > 0
    np.testing.assert_allclose(got.scores[0], want.scores[0], rtol=1e-3)
    np.testing.assert_allclose(got.keypoints[0], want.keypoints[0], atol=0.05)
