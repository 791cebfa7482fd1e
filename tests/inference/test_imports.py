"""What importing costs."""

import subprocess
import sys

TRAINING = {"torch", "zenml", "mlflow", "prefect"}


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(' '.join(sys.modules))"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_parts_and_processing_load_numpy_only() -> None:
    loaded = loaded_by("fair_models.inference.parts") | loaded_by("fair_models.inference.parts")

    assert "numpy" in loaded
    heavy = {
        "onnxruntime",
        "rasterio",
        "shapely",
        "pyproj",
        "scipy",
        "PIL",
        "pystac",
        "torch",
        "zenml",
        "mlflow",
    }
    assert not loaded & (heavy | TRAINING)


def test_prediction_loads_neither_the_engine_nor_anything_of_training() -> None:
    loaded = loaded_by("fair_models.inference.prediction")

    assert not loaded & (TRAINING | {"onnxruntime"})
