"""Kinds of files that hold weights and nothing that could run."""

SAFETENSORS = ".safetensors"
STATE_DICTS = (".pt", ".pth")
"""Torch state dicts, read as tensors alone."""
