"""What models of semantic segmentation share. Importing this loads numpy only; `training` loads torch."""

from fair_models.ml_tasks.segmentation.processing import (
    class_and_interior,
    class_probabilities,
    scale_to_unit,
)

__all__ = ["class_and_interior", "class_probabilities", "scale_to_unit"]
