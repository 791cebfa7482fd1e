"""The face for contributions: every name in it is a promise to code that was archived."""

import importlib
import subprocess
import sys

import pytest

FACE = {
    "fair_models.sdk": [
        "IGNORE",
        "Array",
        "ClassRow",
        "Embedding",
        "Epoch",
        "Evaluation",
        "FeaturePart",
        "InstancePart",
        "Interval",
        "Part",
        "Parts",
        "Processing",
        "RasterPart",
        "Report",
        "Samples",
        "Scores",
        "Window",
    ],
    "fair_models.sdk.classification": ["class_scores", "scale_to_unit"],
    "fair_models.sdk.classification.training": ["Params", "calibrate", "evaluate", "export", "train"],
    "fair_models.sdk.detection": ["found_objects", "scale_to_unit"],
    "fair_models.sdk.detection.training": ["Params", "calibrate", "evaluate", "export", "train"],
    "fair_models.sdk.export": ["export_onnx"],
    "fair_models.sdk.intervals": ["bootstrap", "resample"],
    "fair_models.sdk.networks": ["Padded", "doubled"],
    "fair_models.sdk.ranking": ["embedding", "hashed_words", "scale_to_unit"],
    "fair_models.sdk.ranking.training": ["Params", "Ranking"],
    "fair_models.sdk.segmentation": ["class_and_interior", "class_probabilities", "scale_to_unit"],
    "fair_models.sdk.segmentation.instances": ["Params", "calibrate", "evaluate", "export", "train"],
    "fair_models.sdk.segmentation.training": ["Params", "calibrate", "evaluate", "export", "train"],
    "fair_models.sdk.weights": ["put", "without"],
}
"""All that may be imported. A line may be added here; none may be changed or taken away."""

HEAVY = ("torch", "zenml", "mlflow", "onnxruntime", "onnx", "prefect")
HEAVY_PARTS = {"training", "instances", "networks", "weights", "export"}
LIGHT = [name for name in FACE if name.rpartition(".")[2] not in HEAVY_PARTS]


@pytest.mark.parametrize("module", FACE)
def test_the_face_is_what_was_promised(module: str) -> None:
    face = importlib.import_module(module)

    assert face.__all__ == FACE[module]
    assert all(hasattr(face, name) for name in face.__all__)
    assert face.__doc__


def test_what_processing_needs_loads_numpy_and_nothing_heavy() -> None:
    code = f"""
import importlib, sys
for name in {LIGHT!r}:
    importlib.import_module(name)
heavy = [each for each in {HEAVY!r} if each in sys.modules]
sys.exit(f"importing the face loads {{heavy}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
