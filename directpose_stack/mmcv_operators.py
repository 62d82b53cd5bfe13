"""Operators of MMCV, computed by torchvision where MMCV was installed without its own.

``mmcv-lite`` is MMCV without the compiled module ``mmcv._ext``; nothing of ``mmcv.ops`` can be
imported then, nor can MMDetection's or MMPose's models. ``python -m directpose_stack`` copies this
file to ``mmcv/_ext.py`` of such an MMCV. Python prefers a compiled ``_ext`` to that file, so a
compiled MMCV computes as before.

The functions have the names and arguments of MMCV 2.1's compiled ones, and the same results up to
rounding. They fill the arrays that they are given. torchvision has CUDA kernels for all of them.
"""

import torch
import torchvision
from torch import Tensor

COMPILE_COMMAND = 'bash tools/setup_env.sh --compile-mmcv'
"""Builds MMCV with all its operators."""


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the boxes (n, 4) that non-maximum suppression keeps, best first.

    Of equal scores the first box is better. MMCV leaves their order open.
    """
    order = scores.argsort(descending=True, stable=True)
    # torchvision's boxes end where MMCV's with an offset of 1 have their last pixel.
    corners = torch.cat([boxes[:, :2], boxes[:, 2:] + offset], dim=1)[order]
    # The place in the order is the score, so that no two scores are equal.
    ranks = torch.arange(len(order), 0, -1, device=boxes.device, dtype=corners.dtype)
    # MMCV compares in single precision: an IoU of 0.4 is not above a threshold of 0.4.
    threshold = torch.tensor(iou_threshold, dtype=torch.float32).item()
    return order[torchvision.ops.nms(corners, ranks, threshold)]


def _deform_conv2d(
    inputs: tuple[Tensor | None, ...], stride: tuple, padding: tuple, dilation: tuple
) -> Tensor:
    """torchvision's deformable convolution of (image, weight, offset, mask, bias)."""
    image, weight, offset, mask, bias = inputs
    return torchvision.ops.deform_conv2d(
        image, offset, weight, bias, stride, padding, dilation, mask
    )


def _gradients(
    inputs: tuple[Tensor | None, ...], grad_output: Tensor, geometry: tuple
) -> tuple[Tensor | None, ...]:
    """Gradients with respect to each of (image, weight, offset, mask, bias) that is there."""
    with torch.enable_grad():
        leaves = tuple(x if x is None else x.detach().requires_grad_() for x in inputs)
        output = _deform_conv2d(leaves, *geometry)
        wanted = [x for x in leaves if x is not None]
        grads = iter(torch.autograd.grad(output, wanted, grad_output))
    return tuple(None if x is None else next(grads) for x in leaves)


def _v1_geometry(settings: dict) -> tuple[tuple[int, int], ...]:
    """Stride, padding and dilation, each as (height, width)."""
    return tuple((settings[f'{name}H'], settings[f'{name}W']) for name in ('d', 'pad', 'dilation'))


def deform_conv_forward(
    image: Tensor, weight: Tensor, offset: Tensor, output: Tensor, *buffers, **settings
) -> None:
    """Deformable convolution (arXiv 1703.06211)."""
    inputs = (image, weight, offset, None, None)
    output.copy_(_deform_conv2d(inputs, *_v1_geometry(settings)))


def deform_conv_backward_input(
    image: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_image: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    *buffers,
    **settings,
) -> None:
    """Gradients of :func:`deform_conv_forward` with respect to the image and the offsets."""
    grads = _gradients((image, weight, offset, None, None), grad_output, _v1_geometry(settings))
    grad_image.copy_(grads[0])
    grad_offset.copy_(grads[2])


def deform_conv_backward_parameters(
    image: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    *buffers,
    **settings,
) -> None:
    """Gradient of :func:`deform_conv_forward` by the weight, added to what is there."""
    # The shape is the gradient's; the values do not enter the weight's own gradient.
    inputs = (image, torch.zeros_like(grad_weight), offset, None, None)
    grads = _gradients(inputs, grad_output, _v1_geometry(settings))
    grad_weight.add_(grads[1], alpha=settings['scale'])


def _v2_geometry(settings: dict) -> tuple[tuple[int, int], ...]:
    """Stride, padding and dilation, each as (height, width)."""
    return tuple(
        (settings[f'{name}_h'], settings[f'{name}_w']) for name in ('stride', 'pad', 'dilation')
    )


def modulated_deform_conv_forward(
    image: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    **settings,
) -> None:
    """Modulated deformable convolution (arXiv 1811.11168)."""
    bias = bias if settings['with_bias'] else None
    output.copy_(_deform_conv2d((image, weight, offset, mask, bias), *_v2_geometry(settings)))


def modulated_deform_conv_backward(
    image: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_image: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    **settings,
) -> None:
    """Gradients of :func:`modulated_deform_conv_forward` with respect to all inputs."""
    bias = bias if settings['with_bias'] else None
    grads = _gradients((image, weight, offset, mask, bias), grad_output, _v2_geometry(settings))
    places = (grad_image, grad_weight, grad_offset, grad_mask, grad_bias)
    for place, grad in zip(places, grads):
        if grad is not None:
            place.copy_(grad)


def _roi_align(image: Tensor, rois: Tensor, settings: dict) -> Tensor:
    if settings['pool_mode'] != 1:
        _refuse("roi_align with pool_mode='max'")
    return torchvision.ops.roi_align(
        image,
        rois,
        (settings['aligned_height'], settings['aligned_width']),
        settings['spatial_scale'],
        settings['sampling_ratio'],
        settings['aligned'],
    )


def roi_align_forward(
    image: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor, argmax_x: Tensor, **settings
) -> None:
    """RoIAlign (arXiv 1703.06870) with the mean of the samples."""
    output.copy_(_roi_align(image, rois, settings))


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_image: Tensor,
    **settings,
) -> None:
    """Gradient of :func:`roi_align_forward` by the image, added to what is there."""
    with torch.enable_grad():
        # The mean is linear in the image, so its gradient is the same at any image.
        image = torch.zeros_like(grad_image).requires_grad_()
        (grad,) = torch.autograd.grad(_roi_align(image, rois, settings), image, grad_output)
    grad_image.add_(grad)


def _sigmoid_focal_loss(
    logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    """Focal loss (n, C) of logits (n, C); a target (n, ) of C is the background."""
    num_classes = logits.shape[1]
    one_hot = target[:, None] == torch.arange(num_classes, device=target.device)  # (n, C)
    loss = torchvision.ops.sigmoid_focal_loss(
        logits, one_hot.to(logits.dtype), alpha=alpha, gamma=gamma
    )
    if weight.numel():
        loss = loss * weight[target.clamp(max=len(weight) - 1)][:, None]
    return loss


def sigmoid_focal_loss_forward(
    logits: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Focal loss (arXiv 1708.02002) of each logit."""
    output.copy_(_sigmoid_focal_loss(logits, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    logits: Tensor, target: Tensor, weight: Tensor, grad_logits: Tensor, gamma: float, alpha: float
) -> None:
    """Gradient of :func:`sigmoid_focal_loss_forward` with respect to each logit."""
    with torch.enable_grad():
        leaf = logits.detach().requires_grad_()
        loss = _sigmoid_focal_loss(leaf, target, weight, gamma, alpha).sum()
        (grad,) = torch.autograd.grad(loss, leaf)
    grad_logits.copy_(grad)


def get_compiler_version() -> str:
    """What MMEngine prints among the versions of a run."""
    return 'none: the operators are torchvision ' + torchvision.__version__


def get_compiling_cuda_version() -> str:
    """What MMEngine prints among the versions of a run."""
    return 'that of torchvision'


def _refuse(name: str) -> None:
    raise NotImplementedError(
        f'the operator {name} of MMCV is not compiled here, and torchvision has none in its place; '
        f'compile MMCV: {COMPILE_COMMAND}'
    )


def __getattr__(name: str):
    """Any other operator of MMCV: it can be imported, and refuses when it is called."""
    if name.startswith('__'):
        raise AttributeError(name)

    def operator(*args, **kwargs):
        _refuse(name)

    operator.__name__ = name
    return operator
