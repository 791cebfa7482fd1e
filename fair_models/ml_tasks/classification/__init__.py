"""What models share that classify whole chips. This loads numpy only; `training` loads torch."""

from fair_models.ml_tasks.classification.processing import class_scores, scale_to_unit

__all__ = ["class_scores", "scale_to_unit"]
