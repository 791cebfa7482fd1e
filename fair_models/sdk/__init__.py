"""What contributions may import of fair_models: this package and nothing else.

A registered contribution is archived by digest, and its code keeps its imports for as long as its models are
used. So every name in `__all__` of these modules is a promise. From 0.1.0 on it stays importable and keeps
its meaning, parameters are only added with defaults, and a fault is mended without changing right results.
A name that is no longer advised stays, and says so in its docstring.

| Module | Loads | Holds |
|---|---|---|
| `sdk` | numpy | windows, parts, samples, what training and evaluation report |
| `sdk.segmentation`, `detection`, `classification`, `ranking` | numpy | processing of one ML task |
| `….training` of these | torch | `Params`, `train`, `evaluate`, `calibrate`, `export` of that task |
| `sdk.segmentation.instances` | torch | the same where objects of a class are told apart |
| `sdk.intervals` | numpy | intervals of metrics of your own |
| `sdk.networks` | torch | networks over images of any size |
| `sdk.weights` | torch | published tensors put into a network |
| `sdk.export` | torch, onnx | `export_onnx` |
"""

from fair_models.data.samples import IGNORE, Samples
from fair_models.inference.parts import (
    Embedding,
    FeaturePart,
    InstancePart,
    Part,
    Parts,
    Processing,
    RasterPart,
    Scores,
    Window,
)
from fair_models.ml_tasks.results import ClassRow, Epoch, Evaluation, Interval, Report
from fair_models.types import Array

__all__ = [
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
]
