"""Writing a network as ONNX, for an `export` of one's own. Needs torch and onnx."""

from fair_models.ml_tasks.onnx_export import export_onnx

__all__ = ["export_onnx"]
