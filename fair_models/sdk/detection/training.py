"""Object detection, boxes: training, evaluation and export. Needs torch."""

from fair_models.ml_tasks.detection.training import Params, calibrate, evaluate, export, train

__all__ = ["Params", "calibrate", "evaluate", "export", "train"]
