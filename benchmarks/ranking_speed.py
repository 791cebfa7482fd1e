"""How long a query takes with the model loaded: text to image, and image to text.

    python benchmarks/ranking_speed.py [models/image_text_ranking] [--images 100000]

The networks are those of the contribution's initial weights; the index holds random directions, as many as
asked for, because what is in it does not change the time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fair_models.contract import blueprint, contribution
from fair_models.contract.code import loader
from fair_models.contract.plans.ranking import TOKENISE
from fair_models.inference.network.session import open_session
from fair_models.inference.network.texts import open_texts
from fair_models.inference.ranking import Ranker, RankingIndex

MAX_MS = 500.0
QUERIES = 50
SENTENCE = "Five buildings in the north and east. A road runs from west to south through the centre."


def main() -> int:
    """Load, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("contribution", nargs="?", default="models/image_text_ranking")
    parser.add_argument("--images", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fair-speed-") as folder:
        read = contribution.read(Path(options.contribution))
        ranker = _ranker(read, blueprint.make(read, Path(folder)), options.images)
        size = blueprint.input_of(read.template).size_px
    pixels = np.random.default_rng(0).integers(0, 256, (3, size, size), dtype=np.uint8)
    slowest = 0.0
    for what, ask in (
        ("text to image", lambda: ranker.by_texts([SENTENCE])),
        ("image to text", lambda: ranker.by_images([pixels])),
    ):
        times = _milliseconds(ask)
        slowest = max(slowest, max(times))
        print(
            f"{what}: {np.median(times):.1f} ms a query, {max(times):.1f} ms at most, "
            f"{options.images} entries, {QUERIES} queries"
        )
    return 0 if slowest <= MAX_MS else 1


def _ranker(read: contribution.Contribution, made: blueprint.Blueprint, count: int) -> Ranker:
    names = (read.preprocess, read.postprocess)
    processing = loader.load_processing(made.code, made.code_checksum, *names)
    module = read.preprocess.partition(":")[0]
    texts = open_texts(made.extras["text-encoder"])
    tokenise = loader.load_attribute(made.code, made.code_checksum, f"{module}:{TOKENISE}")
    width = texts(tokenise([SENTENCE])).shape[1]
    directions = np.random.default_rng(0).normal(size=(count, width)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    labels = [f"entry-{number}" for number in range(count)]
    index = RankingIndex(labels, directions, np.full((count, 2), np.nan), labels, directions, frozenset())
    return Ranker(open_session(made.onnx), texts, processing.preprocess, tokenise, index)


def _milliseconds(ask: Callable[[], object]) -> list[float]:
    ask()
    times = []
    for _ in range(QUERIES):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1000)
    return times


if __name__ == "__main__":
    raise SystemExit(main())
