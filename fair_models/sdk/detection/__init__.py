"""Object detection, boxes: pre- and post-processing. Numpy only."""

from fair_models.ml_tasks.detection.processing import found_objects, scale_to_unit

__all__ = ["found_objects", "scale_to_unit"]
