"""Ranking: words, ties, the ceiling, the loss, and a training that learns."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from fair_models.data.samples import Samples
from fair_models.ml_tasks.ranking import augmentation, hashed_words, metrics, training
from fair_models.ml_tasks.ranking.gallery import Gallery
from fair_models.ml_tasks.ranking.processing import words

COLOURS = {"red": (230, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 230)}


def test_words_are_lower_case_and_hyphens_hold_them_together() -> None:
    assert words("Two roofs in the North-West, none south.") == [
        "two", "roofs", "in", "the", "north-west", ",", "none", "south", ".",
    ]  # fmt: skip


def test_tokens_are_the_same_everywhere_and_zero_after_the_end() -> None:
    tokenise = hashed_words(length=4, buckets=4096)
    given = tokenise(["a house", "A HOUSE", "one two three four five", ""])

    assert given.dtype == np.int64
    assert given.shape == (4, 4)
    assert (given[0] == given[1]).all()
    assert given[0].tolist()[2:] == [0, 0]
    assert (given[2] > 0).all()
    assert not given[3].any()
    assert given.max() < 4096
    assert given[0, 1] == 1881  # registered items count on it


def test_of_equal_scores_the_right_one_is_found_by_chance() -> None:
    before, level = metrics.places(np.zeros((1, 40)), np.eye(1, 40, dtype=bool))
    assert (before[0], level[0]) == (0, 40)
    assert metrics.recall(before, level, 10)[0] == pytest.approx(0.25)
    assert metrics.median_rank(before, level) == 20.5


def test_the_rank_counts_what_is_more_like() -> None:
    scores = np.array([[0.9, 0.5, 0.7], [0.1, 0.2, 0.3]])
    measured = metrics.summarise(
        scores, np.array([[False, True, False], [False, False, True]]), metrics.TO_IMAGE
    )
    assert measured["fair:text_to_image_recall_at_1"] == 0.5
    assert measured["fair:text_to_image_recall_at_5"] == 1.0
    assert measured["fair:text_to_image_median_rank"] == 2.0


def test_nothing_asked_is_not_zero() -> None:
    measured = metrics.summarise(np.empty((0, 3)), np.empty((0, 3), bool), metrics.TO_TEXT)
    assert set(measured.values()) == {None}


def test_the_ceiling_is_what_equal_captions_leave() -> None:
    captions = ["same"] * 40 + ["other"]
    assert metrics.ceiling(captions, np.arange(41), 10) == pytest.approx((40 * 0.25 + 1) / 41)


def test_no_model_does_better_than_the_ceiling() -> None:
    captions = ["same"] * 20 + [f"own {number}" for number in range(5)]
    owners = np.arange(25)
    perfect = np.array([[float(one == other) for other in captions] for one in captions])
    before, level = metrics.places(perfect, np.eye(25, dtype=bool))
    assert metrics.recall(before, level, 10).mean() == pytest.approx(metrics.ceiling(captions, owners, 10))


def test_duplicate_captions_are_not_pushed_away() -> None:
    tokens = torch.tensor([[[1, 2]], [[1, 2]], [[3, 0]]])
    right = training.positives(tokens)
    assert right.tolist() == [[True, True, False], [True, True, False], [False, False, True]]
    level = torch.tensor([[8.0, 8.0, 0.0], [8.0, 8.0, 0.0], [0.0, 0.0, 8.0]])
    apart = torch.tensor([[8.0, 0.0, 0.0], [0.0, 8.0, 0.0], [0.0, 0.0, 8.0]])
    assert training.contrastive(level, right) < training.contrastive(apart, right)


def test_a_caption_that_an_image_has_among_others_is_right_for_it() -> None:
    tokens = torch.tensor([[[1, 0], [5, 0]], [[5, 0], [7, 0]]])
    assert training.positives(tokens).tolist() == [[True, True], [False, True]]


def test_varied_images_keep_their_captions_and_where_north_is() -> None:
    images = np.zeros((2, 3, 32, 32), np.uint8)
    images[:, :, :8] = 200
    targets = np.array([[[1, 2], [3, 4], [0, 0]], [[5, 0], [0, 0], [0, 0]]])

    varied, captions = augmentation.vary(images, targets, np.random.default_rng(3))

    assert varied.shape == images.shape
    assert (varied[:, :, :4].mean(axis=(1, 2, 3)) > varied[:, :, 20:].mean(axis=(1, 2, 3)) + 50).all()
    assert sorted(map(tuple, captions[0])) == sorted(map(tuple, targets[0]))
    assert captions[0, 0].any()
    assert captions[1].tolist() == targets[1].tolist()


class Tiny(torch.nn.Module):
    """The mean colour on one side, a bag of words on the other."""

    size_px = 16

    def __init__(self) -> None:
        super().__init__()
        self.colour = torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 1), torch.nn.ReLU(), torch.nn.Conv2d(16, 8, 1)
        )
        self.text = Bag()
        self.sharpness = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(self.colour(pixels).mean(dim=(2, 3)), dim=1)


class Bag(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(256, 8)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(self.words(tokens).sum(dim=1) + 1e-3, dim=1)


class Processing:
    @staticmethod
    def preprocess(window):
        return window.astype(np.float32) / 255

    @staticmethod
    def postprocess(outputs, window, params):
        return []


def coloured(seed: int, count: int) -> Samples:
    """Images of one colour, light or dark, and two sentences about each."""
    random = np.random.default_rng(seed)
    names = random.choice(list(COLOURS), count)
    light = random.random(count) < 0.5
    images = np.stack(
        [
            np.clip(
                np.array(COLOURS[name])[:, None, None] * (1.0 if bright else 0.4)
                + random.normal(0, 8, (3, 16, 16)),
                0,
                255,
            )
            for name, bright in zip(names, light, strict=True)
        ]
    ).astype(np.uint8)
    said = [
        [f"{'light' if bright else 'dark'} {name} ground".encode(), f"all is {name}".encode()]
        for name, bright in zip(names, light, strict=True)
    ]
    return Samples(
        images, np.array(said), [f"image-{index}" for index in range(count)], ["background", "caption"]
    )


def test_a_tiny_training_finds_more_than_a_blind_guess() -> None:
    ranking = training.Ranking(hashed_words(4, 256))
    params = training.Params(epochs=12, batch_size=16, learning_rate=0.05, precision="float32")
    held_out = coloured(2, 60)
    epochs = []
    torch.manual_seed(0)
    network = Tiny()

    ranking.train(
        network, replace(coloured(0, 96), validation=coloured(1, 24)), Processing, params, 0, epochs.append
    )
    evaluation = ranking.evaluate(network, held_out, Processing, params)

    reached, guessed, best = (
        evaluation.metrics["fair:text_to_image_recall_at_10"],
        evaluation.baseline["fair:text_to_image_recall_at_10"],
        evaluation.metrics["fair:text_to_image_ceiling_at_10"],
    )
    assert guessed == pytest.approx(10 / 60)
    assert reached > 2 * guessed
    assert reached <= best + 1e-9
    assert evaluation.metrics["fair:image_to_text_recall_at_1"] > 0.8
    low, high = evaluation.intervals["fair:text_to_image_recall_at_10"]
    assert low <= reached <= high
    assert len(evaluation.samples) == evaluation.sample_count == 60
    assert all("validation_recall_at_10" in epoch.values for epoch in epochs)
    kept = ranking.gallery(network, coloured(1, 24), Processing, params).recall_to_image(10)
    assert kept == pytest.approx(max(epoch.values["validation_recall_at_10"] for epoch in epochs))


@pytest.mark.parametrize(
    ("sooner", "kept"), [([(0.2, 0.1), (0.8, 0.3), (0.5, 0.4)], 2.0), ([(0.5, 0.1)] * 3, 3.0)]
)
def test_among_few_images_the_epoch_that_finds_them_sooner_is_kept(
    sooner: list[tuple[float, float]], kept: float
) -> None:
    """The recall at 10 among ten images is 1 whatever was learnt."""
    found = [{10: 1.0, 5: at_5, 1: at_1} for at_5, at_1 in sooner]
    galleries = iter([SimpleNamespace(recall_to_image=each.__getitem__) for each in found])
    judge: Any = SimpleNamespace(gallery=lambda *_: next(galleries))
    network = torch.nn.Linear(1, 1, bias=False)
    best = training._Best(judge, coloured(1, 10), Processing, training.Params())
    for epoch in range(1, len(sooner) + 1):
        torch.nn.init.constant_(network.weight, epoch)
        assert best.look(network, epoch) == {"validation_recall_at_10": 1.0}
    best.restore(network)
    assert network.weight.item() == kept


def test_images_that_are_the_same_count_once() -> None:
    ranking = training.Ranking(hashed_words(4, 256))
    one = coloured(2, 6)
    twice = Samples(
        np.concatenate([one.images, one.images]),
        np.concatenate([one.targets] * 2),
        [*one.names, *"abcdef"],
        one.classes,
    )
    assert ranking.evaluate(Tiny(), twice, Processing, training.Params()).sample_count == 6


def test_a_gallery_without_some_images_keeps_captions_with_their_own() -> None:
    gallery = Gallery(
        np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)[[0, 1, 1, 2]], np.array([0, 1, 1, 2]),
        np.array([b"a", b"b", b"c", b"d"]),
    )  # fmt: skip
    kept = gallery.select(np.array([1, 2]))
    assert kept.owners.tolist() == [0, 0, 1]
    assert kept.recall_to_image(1) == 1.0
