"""RGB chips and sentences in, directions out. Numpy only."""

from fair_models.sdk import ranking

WORDS = 64
BUCKETS = 4096

preprocess = ranking.scale_to_unit
tokenise = ranking.hashed_words(WORDS, BUCKETS)
postprocess = ranking.embedding
