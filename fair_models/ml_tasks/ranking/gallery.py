"""Images and captions as embeddings, and how like they are. Numpy only."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from fair_models.data.samples import Samples
from fair_models.ml_tasks.ranking import metrics
from fair_models.types import Array

INDEX_FORMAT = 1


@dataclass(frozen=True)
class Gallery:
    """Embeddings of some images and their captions.

    images: float32, shape (n, d), of length 1.
    texts: float32, shape (m, d), of length 1; one for each caption of each image.
    owners: Index of the image of each caption, shape (m,).
    captions: UTF-8 bytes, shape (m,).
    """

    images: Array
    texts: Array
    owners: Array
    captions: Array

    def select(self, kept: Array) -> Gallery:
        """These images (indices, in order, each once) and their captions."""
        position = np.full(len(self.images), -1)
        position[kept] = np.arange(len(kept))
        chosen = position[self.owners] >= 0
        return Gallery(
            self.images[kept], self.texts[chosen], position[self.owners[chosen]], self.captions[chosen]
        )

    @property
    def own_image(self) -> Array:
        """Which image is right for each caption: the one that it belongs to. bool, shape (m, n)."""
        return np.asarray(self.owners[:, None] == np.arange(len(self.images))[None])

    def recall_to_image(self, depth: int) -> float:
        """Share of the captions whose image is among the `depth` most like it, 0 to 1."""
        before, level = metrics.places(self.texts @ self.images.T, self.own_image)
        return float(metrics.recall(before, level, depth).mean())

    def index(self, samples: Samples) -> bytes:
        """What finds these images without the images: a NumPy archive (npz) that needs no pickle.

        Its arrays: `names` (text), `embeddings` (float32, shape (n, d)), `places` (longitude and latitude of
        the middle in EPSG:4326, float64, shape (n, 2), NaN where unknown), `captions` and
        `caption_embeddings` (each text once), `words` (all words of the captions), `format` (1).
        """
        from fair_models.ml_tasks.ranking.processing import words

        unknown = np.full((len(samples), 2), np.nan)
        texts, first = np.unique(self.captions, return_index=True)
        decoded = [text.decode() for text in texts]
        arrays: dict[str, Any] = {
            "format": np.asarray(INDEX_FORMAT),
            "names": np.asarray(list(samples.names), dtype=np.str_),
            "embeddings": self.images.astype(np.float32),
            "places": samples.places if samples.places is not None else unknown,
            "captions": np.asarray(decoded, dtype=np.str_),
            "caption_embeddings": self.texts[first].astype(np.float32),
            "words": np.asarray(sorted({word for text in decoded for word in words(text)}), dtype=np.str_),
        }
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=False, **arrays)
        return file.getvalue()
