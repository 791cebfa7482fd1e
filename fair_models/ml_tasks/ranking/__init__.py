"""What models share that find images by sentences and sentences by images. This loads numpy only."""

from fair_models.ml_tasks.ranking.processing import embedding, hashed_words, scale_to_unit

__all__ = ["embedding", "hashed_words", "scale_to_unit"]
