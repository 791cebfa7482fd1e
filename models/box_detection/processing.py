"""RGB windows in, boxes of buildings with scores out. Numpy only."""

from fair_models.sdk import detection

preprocess = detection.scale_to_unit
postprocess = detection.found_objects
