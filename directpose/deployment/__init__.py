from .deploy_model import DeployModel
from .export import export_onnx
from .quantize import quantize
from .verify import Difference, export_verified, verify_onnx

__all__ = [
    'DeployModel',
    'Difference',
    'export_onnx',
    'export_verified',
    'quantize',
    'verify_onnx',
]
