from .deploy_model import DeployModel
from .export import export_onnx
from .verify import Difference, export_verified, verify_onnx

__all__ = ['DeployModel', 'Difference', 'export_onnx', 'export_verified', 'verify_onnx']
