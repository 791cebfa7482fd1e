"""Instance segmentation, a polygon for each object: training, evaluation and export. Needs torch.

For networks that give scores of each class and, in two more channels, of boundaries and contacts of objects;
their post-processing is `sdk.segmentation.class_and_interior`.
"""

from fair_models.ml_tasks.segmentation.instance_training import Params, calibrate, evaluate, export, train

__all__ = ["Params", "calibrate", "evaluate", "export", "train"]
