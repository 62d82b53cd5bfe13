from .deploy_model import DeployModel
from .export import export_onnx
from .half_precision import convert_to_half
from .quantize import quantize
from .verify import Difference, export_verified, verify_onnx

__all__ = [
    'DeployModel',
    'Difference',
    'convert_to_half',
    'export_onnx',
    'export_verified',
    'quantize',
    'verify_onnx',
]
