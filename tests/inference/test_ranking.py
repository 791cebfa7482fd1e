"""Asking an index: images for sentences, captions for images."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from fair_models.errors import Corrupted, Invalid
from fair_models.inference.network.session import Session
from fair_models.inference.ranking import RankedItem, Ranker, read_index

WORDS = {"north": 0, "south": 1, "water": 2}


def tokenise(texts: Any) -> np.ndarray:
    return np.array([[WORDS.get(text, 0)] for text in texts], dtype=np.int64)


def write_index(path: Path, **changes: Any) -> Path:
    arrays = {
        "format": np.asarray(1),
        "names": np.array(["a", "b", "c"]),
        "embeddings": np.eye(3, dtype=np.float32),
        "places": np.array([[5.4, 27.6], [np.nan, np.nan], [5.5, 27.7]]),
        "captions": np.array(["in the north", "in the south"]),
        "caption_embeddings": np.eye(3, dtype=np.float32)[:2],
        "words": np.array(["in", "north", "south", "the"]),
    }
    np.savez(path, **{**arrays, **changes})
    return path


@pytest.fixture
def ranker(tmp_path: Path) -> Ranker:
    images = SimpleNamespace(run=lambda batch: {"embedding": batch.mean(axis=(2, 3))})
    return Ranker(
        images=cast(Session, images),
        texts=lambda tokens: np.eye(3, dtype=np.float32)[tokens[:, 0]],
        preprocess=lambda pixels: pixels.astype(np.float32) / 255,
        tokenise=tokenise,
        index=read_index(write_index(tmp_path / "index.npz")),
    )


def test_a_sentence_finds_images_the_most_like_first_with_their_place(ranker: Ranker) -> None:
    ((first, second),) = ranker.by_texts(["south"], top=2)
    assert first == RankedItem("b", 1.0, None)
    assert second == RankedItem("a", 0.0, (5.4, 27.6))


def test_several_sentences_are_answered_in_their_order(ranker: Ranker) -> None:
    assert [found[0].name for found in ranker.by_texts(["water", "north"], top=1)] == ["c", "a"]


def test_an_index_without_anything_to_find_is_refused_with_what_to_do(ranker: Ranker) -> None:
    empty = replace(ranker, index=replace(ranker.index, names=[], captions=[]))
    with pytest.raises(Invalid, match="has no images, so that nothing can be found: train it again"):
        empty.by_texts(["south"])
    with pytest.raises(Invalid, match="has no captions"):
        empty.by_images([np.zeros((3, 8, 8), np.uint8)])


def test_an_image_finds_captions(ranker: Ranker) -> None:
    red = np.zeros((3, 8, 8), np.uint8)
    red[0] = 255
    ((first, second),) = ranker.by_images([red], top=10)
    assert (first.name, second.name) == ("in the north", "in the south")
    assert first.score == pytest.approx(1)


def test_a_query_without_a_word_is_refused(ranker: Ranker) -> None:
    with pytest.raises(Invalid, match="has no word"):
        ranker.by_texts([" ?! "])


def test_a_query_of_words_that_were_never_read_ranks_nothing_and_names_them(ranker: Ranker) -> None:
    with pytest.raises(Invalid, match=r"Nothing can be ranked by 'Giraffe zoo'.* never read giraffe or zoo"):
        ranker.unread(["the north", "Giraffe zoo"])
    with pytest.raises(Invalid, match=r"never read sout\. Did you mean south\?"):
        ranker.unread(["Sout"])
    with pytest.raises(Invalid, match=r"It has read in, north, south, the$"):
        ranker.unread(["zzz"])


def test_unknown_words_beside_known_ones_are_named(ranker: Ranker) -> None:
    assert ranker.unread(["giraffe in the north", "a giraffe in the south"]) == ["giraffe", "a"]


@pytest.mark.parametrize("top", [0, 1001])
def test_so_many_answers_are_refused(ranker: Ranker, top: int) -> None:
    with pytest.raises(Invalid, match="1 to 1000"):
        ranker.by_texts(["north"], top=top)


def test_words_that_no_caption_has_are_known_as_such(ranker: Ranker) -> None:
    assert ranker.unknown(["north", "giraffe", "giraffe"]) == ["giraffe"]


@pytest.mark.parametrize(
    "changes",
    [{"format": np.asarray(2)}, {"places": np.zeros((2, 2))}, {"names": np.array([{}], dtype=object)}],
)
def test_an_index_that_is_none_is_corrupted(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(Corrupted, match="train the model again"):
        read_index(write_index(tmp_path / "index.npz", **changes))


def test_an_index_that_is_cut_off_is_corrupted(tmp_path: Path) -> None:
    path = write_index(tmp_path / "index.npz")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(Corrupted):
        read_index(path)
