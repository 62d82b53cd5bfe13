"""The name of a device, as PyTorch understands it."""

import re

import torch

from directpose.errors import UserError


def check_device(device: str | None) -> None:
    """Check that a device can be used.

    Args:
        device (str, optional): Such as ``'cuda:0'`` or ``'cpu'``; None leaves the choice to
            MMEngine.

    Raises:
        UserError: If the device has another name, or if there is no such GPU.
    """
    if device is None or device == 'cpu':
        return
    match = re.fullmatch(r'cuda(?::(\d+))?', device)
    if match is None:
        raise UserError(f'--device {device}: give cpu, cuda (the first GPU) or cuda:N (GPU N)')
    count = torch.cuda.device_count()
    if int(match[1] or 0) >= count:
        raise UserError(f'--device {device}: this machine has {count} GPUs that PyTorch can use')
