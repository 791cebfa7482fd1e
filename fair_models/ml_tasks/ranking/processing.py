"""Pixels and sentences in, directions of equal length out. Numpy only.

Registered items call these functions by name. What they compute never changes: another computation gets
another name, so that an old item keeps ranking as it did.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fair_models.inference.parts import Embedding, Part, Window
from fair_models.ml_tasks.scaling import scale_to_unit
from fair_models.types import Array

__all__ = ["OUTPUT", "embedding", "hashed_words", "scale_to_unit", "words"]

OUTPUT = "embedding"
"""Name of the networks' output, in both ONNX files and in `postprocess`."""

_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*|[,.;:!?]")

Tokenise = Callable[[Sequence[str]], Array]
"""Numbers of words: from n texts int64 of shape (n, length), 0 where a text has ended."""


def words(text: str) -> list[str]:
    """The words of a text in lower case, in order; marks between sentences count as words.

    Args:
        text: In any language that puts spaces between words. Hyphens hold words together: "north-west".
    """
    return _WORD.findall(text.casefold())


def hashed_words(length: int, buckets: int) -> Tokenise:
    """Make what turns texts into numbers without a list of words: each word's number is its hash.

    A model that is fine-tuned on other captions learns their words too, in any language. Two words share a
    number once in about `buckets` pairs.

    Args:
        length: Words of a text that count; what follows is left out.
        buckets: Numbers that there are, 0 (no word) among them.

    Returns:
        A function from n texts to int64 of shape (n, length), each in 0 to `buckets` - 1.
    """

    def tokenise(texts: Sequence[str]) -> Array:
        numbers = np.zeros((len(texts), length), dtype=np.int64)
        for row, text in enumerate(texts):
            found = [1 + zlib.crc32(word.encode()) % (buckets - 1) for word in words(text)[:length]]
            numbers[row, : len(found)] = found
        return numbers

    return tokenise


def embedding(outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]) -> Sequence[Part]:
    """The direction that an image was given; nothing is drawn on a map.

    Args:
        outputs: `embedding`, float32, shape (d,), of length 1.
        window: Where the pixels lie.
        params: Not needed.
    """
    return [Embedding(np.asarray(outputs[OUTPUT], dtype=np.float32))]
