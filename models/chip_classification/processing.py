"""RGB chips in, the probability that a chip holds buildings out. Numpy only."""

from fair_models.ml_tasks import classification

CLASSES = ("background", "building")

preprocess = classification.scale_to_unit
postprocess = classification.class_scores(CLASSES)
