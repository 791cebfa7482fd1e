"""95 % intervals of metrics of one's own, by drawing the held-out samples again. Numpy only.

The `evaluate` of each task in the SDK measures metrics, intervals and the simplest guess already. A pipeline
or an `evaluate` that measures something else takes its intervals from here and fills an `Evaluation` itself:

    low_high = bootstrap(counts, lambda sums: {"fair:tree_recall": sums[0] / sums[1]})
"""

from fair_models.ml_tasks.intervals import bootstrap, resample

__all__ = ["bootstrap", "resample"]
