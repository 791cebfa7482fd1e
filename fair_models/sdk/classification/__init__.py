"""Scene classification, a class for the whole chip: pre- and post-processing. Numpy only."""

from fair_models.ml_tasks.classification.processing import class_scores, scale_to_unit

__all__ = ["class_scores", "scale_to_unit"]
