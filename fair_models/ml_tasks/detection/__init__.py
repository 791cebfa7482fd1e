"""What models share that find objects as boxes. This loads numpy only; `training` loads torch."""

from fair_models.ml_tasks.detection.processing import found_objects, scale_to_unit

__all__ = ["found_objects", "scale_to_unit"]
