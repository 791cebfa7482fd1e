"""Similarity search, images by sentences and back: training, evaluation and export. Needs torch."""

from fair_models.ml_tasks.ranking.training import Params, Ranking

__all__ = ["Params", "Ranking"]
