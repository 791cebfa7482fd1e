"""Semantic segmentation, a class for each pixel: training, evaluation and export. Needs torch."""

from fair_models.ml_tasks.segmentation.training import Params, calibrate, evaluate, export, train

__all__ = ["Params", "calibrate", "evaluate", "export", "train"]
