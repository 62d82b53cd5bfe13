from .deploy_model import DeployModel
from .export import export_onnx

__all__ = ['DeployModel', 'export_onnx']
