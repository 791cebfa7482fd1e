"""Scene classification, a class for the whole chip: training, evaluation and export. Needs torch."""

from fair_models.ml_tasks.classification.training import Params, calibrate, evaluate, export, train

__all__ = ["Params", "calibrate", "evaluate", "export", "train"]
