"""Finds images by sentences, and sentences by images, in an index that a training left. Needs no torch."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from fair_models.errors import Corrupted, Invalid
from fair_models.inference.network.session import Session
from fair_models.inference.network.texts import TextEncoder
from fair_models.types import Array

FORMAT = 1
MAX_TOP = 1000
"""The most answers to one query."""

_SHOWN = 20
"""How many words a message names."""

_ARRAYS = ("names", "embeddings", "places", "captions", "caption_embeddings", "words")


@dataclass(frozen=True)
class RankedItem:
    """One answer.

    name: Name of the image, or the caption.
    score: How like it is to the query: the cosine of the angle between their directions, -1 to 1.
    place: Longitude and latitude (EPSG:4326) of the image's middle; None where it has none, or for a caption.
    """

    name: str
    score: float
    place: tuple[float, float] | None = None


@dataclass(frozen=True)
class RankingIndex:
    """Embeddings of a dataset's images and of its captions, all of length 1.

    names: Names of the images.
    embeddings: float32, shape (n, d).
    places: Longitude and latitude of each image's middle, shape (n, 2), NaN where it has none.
    captions: Each caption once.
    caption_embeddings: float32, shape (m, d).
    words: All words of the captions.
    """

    names: Sequence[str]
    embeddings: Array
    places: Array
    captions: Sequence[str]
    caption_embeddings: Array
    words: frozenset[str]


def read_index(path: Path) -> RankingIndex:
    """Read the index of a model: a NumPy archive without pickled objects.

    Raises:
        Corrupted: It cannot be read, or its arrays do not belong together.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            if int(archive["format"]) != FORMAT:
                raise ValueError(f"it has the format {int(archive['format'])}, known is {FORMAT}")
            found = {name: archive[name] for name in _ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise Corrupted(f"The index {path.name} cannot be read ({error}): train the model again") from error
    count, texts = len(found["names"]), len(found["captions"])
    if not (
        found["embeddings"].ndim == found["caption_embeddings"].ndim == 2
        and len(found["embeddings"]) == count
        and found["places"].shape == (count, 2)
        and len(found["caption_embeddings"]) == texts
    ):
        raise Corrupted(f"The index {path.name} has arrays of different lengths: train the model again")
    return RankingIndex(
        names=[str(name) for name in found["names"]],
        embeddings=found["embeddings"].astype(np.float32),
        places=found["places"].astype(np.float64),
        captions=[str(caption) for caption in found["captions"]],
        caption_embeddings=found["caption_embeddings"].astype(np.float32),
        words=frozenset(str(word) for word in found["words"]),
    )


@dataclass(frozen=True)
class Ranker:
    """A model that is ready to answer.

    images: The network for images.
    texts: The network for texts.
    preprocess: Pixels (uint8, shape (bands, size, size)) as the network for images takes them.
    tokenise: Texts as the network for texts takes them.
    index: What is searched.
    """

    images: Session
    texts: TextEncoder
    preprocess: Callable[[Array], Array]
    tokenise: Callable[[Sequence[str]], Array]
    index: RankingIndex

    def by_texts(self, texts: Sequence[str], top: int = 10) -> list[list[RankedItem]]:
        """Images for each text, the most like first.

        Args:
            texts: Sentences; one that has no word is refused.
            top: How many answers each, 1 to 1000; fewer where there are fewer images.

        Raises:
            Invalid: A text without a word, `top` out of its range, or an index without images.
        """
        _check_top(top)
        _require(self.index.names, "images")
        if empty := [text for text in texts if not any(letter.isalnum() for letter in text)]:
            raise Invalid(f"{empty[0][:80]!r} has no word to search for. Describe what the image shows")
        scores = self.texts(self.tokenise(list(texts))) @ self.index.embeddings.T
        return [[self._image(index, row[index]) for index in _best(row, top)] for row in scores]

    def by_images(self, pixels: Sequence[Array], top: int = 10) -> list[list[RankedItem]]:
        """Captions for each image, the most like first.

        Args:
            pixels: Images, uint8, shape (bands, size, size) at the model's size each.
            top: How many answers each, 1 to 1000.

        Raises:
            Invalid: `top` is out of its range, the index has no captions, or the network does not take such
                an image.
        """
        _check_top(top)
        _require(self.index.captions, "captions")
        scores = self.embedded(pixels) @ self.index.caption_embeddings.T
        return [
            [RankedItem(self.index.captions[index], float(row[index])) for index in _best(row, top)]
            for row in scores
        ]

    def embedded(self, pixels: Sequence[Array]) -> Array:
        """Directions of images, float32, shape (n, d)."""
        (values,) = self.images.run(np.stack([self.preprocess(image) for image in pixels])).values()
        return values

    def unknown(self, words: Sequence[str]) -> list[str]:
        """Words that no caption of the index has: they say nothing to the model."""
        return [word for word in dict.fromkeys(words) if word not in self.index.words and word.isalnum()]

    def unread(self, texts: Sequence[str]) -> list[str]:
        """Words of texts that no caption of the index has. The model looks at the others.

        Raises:
            Invalid: A text has no other word, so that it says nothing to the model; names its words.
        """
        read = {part for word in self.index.words for part in word.split("-")}
        found: dict[str, None] = {}
        for text in texts:
            words = list(dict.fromkeys(re.findall(r"[^\W_]+", text.casefold())))
            unknown = [word for word in self.unknown(words) if word not in read]
            if words and len(unknown) == len(words):
                raise Invalid(
                    f"Nothing can be ranked by {text[:80]!r}: the model has never read "
                    f"{' or '.join(unknown[:10])}. {self._hint(unknown)}"
                )
            found |= dict.fromkeys(unknown)
        return list(found)

    def _hint(self, unknown: Sequence[str]) -> str:
        """Words that it has read, the nearest if there are some."""
        known = sorted(word for word in self.index.words if word[0].isalnum())
        near = dict.fromkeys(each for word in unknown for each in get_close_matches(word, known, n=2))
        if near:
            return f"Did you mean {' or '.join(near)}?"
        more = len(known) - _SHOWN
        return f"It has read {', '.join(known[:_SHOWN])}{f' and {more} more words' if more > 0 else ''}"

    def _image(self, index: int, score: float) -> RankedItem:
        longitude, latitude = (float(value) for value in self.index.places[index])
        place = (longitude, latitude) if np.isfinite(longitude) else None
        return RankedItem(self.index.names[index], float(score), place)


def _check_top(top: int) -> None:
    if not 1 <= top <= MAX_TOP:
        raise Invalid(f"{top} answers cannot be given: ask for 1 to {MAX_TOP}")


def _require(found: Sequence[str], kind: str) -> None:
    """An index without anything to find answers no question."""
    if not found:
        raise Invalid(
            f"The index of the model has no {kind}, so that nothing can be found: train it again on a "
            "dataset that has some (fair-models finetune)"
        )


def _best(scores: Array, top: int) -> Array:
    """Positions of the largest scores, largest first; of equal ones the first in the index."""
    return np.argsort(-scores, kind="stable")[:top]
