"""A GPU is of use only with mmcv's operators for it."""

from mmcv.ops import get_compiling_cuda_version
from mmengine.device import get_device

from .errors import UserError


def check_operators(device: str | None = None) -> None:
    """See that mmcv can compute where the model shall run.

    Args:
        device (str, optional): Such as 'cuda:0'. Defaults to the one that MMEngine chooses.

    Raises:
        UserError: If that is a GPU and mmcv was built for the CPU alone.
    """
    if (device or get_device()).startswith('cuda') and (
        get_compiling_cuda_version() == 'not available'
    ):
        raise UserError(
            'there is a GPU, but mmcv was built without operators for it; run `python '
            'tools/install_from_source.py mmcv` where the CUDA toolkit of torch is installed, or '
            'hide the GPU with CUDA_VISIBLE_DEVICES='
        )
