"""Which software made a version."""

from __future__ import annotations

import platform
from importlib import metadata

NOTED = (
    "fair-models",
    "torch",
    "numpy",
    "onnx",
    "onnxruntime",
    "openvino",
    "rasterio",
    "zenml",
    "mlflow",
    "prefect",
)


def versions() -> dict[str, str]:
    """Versions by name, of those packages that are installed, Python and the platform among them."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in NOTED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # an environment without, e.g., Prefect
            continue
    return found
