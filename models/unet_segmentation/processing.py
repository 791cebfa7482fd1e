"""RGB windows in, probabilities of buildings and of their interiors out. Numpy only."""

from fair_models.sdk import segmentation

preprocess = segmentation.scale_to_unit
postprocess = segmentation.class_and_interior
