"""Similarity search, images by sentences and back: pre- and post-processing. Numpy only."""

from fair_models.ml_tasks.ranking.processing import embedding, hashed_words, scale_to_unit

__all__ = ["embedding", "hashed_words", "scale_to_unit"]
