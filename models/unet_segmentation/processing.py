"""RGB windows in, building probabilities out. Numpy only."""

from fair_models.sdk import segmentation

preprocess = segmentation.scale_to_unit
postprocess = segmentation.class_probabilities
