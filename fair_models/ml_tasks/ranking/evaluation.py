"""Evaluates a gallery in both directions, beside a blind guess and the best possible value. Numpy only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fair_models.data.samples import Samples
from fair_models.errors import Invalid
from fair_models.ml_tasks import evaluation, intervals
from fair_models.ml_tasks.evaluation import Guess, Measurement
from fair_models.ml_tasks.pictures import as_rgb, worst_median_best
from fair_models.ml_tasks.ranking import metrics
from fair_models.ml_tasks.ranking.gallery import Gallery
from fair_models.ml_tasks.ranking.metrics import TO_IMAGE, TO_TEXT
from fair_models.ml_tasks.results import Evaluation, Interval
from fair_models.types import Array

GUESS = "all images are equally like the text"
FREQUENT = "the most frequent captions, and the images with most captions, come first"
LOWER_IS_BETTER = tuple(f"fair:{direction}_median_rank" for direction in (TO_IMAGE, TO_TEXT))
CEILING = f"fair:{TO_IMAGE}_ceiling_at_10"
SHARE = f"fair:{TO_IMAGE}_share_of_ceiling_at_10"
MAIN = f"fair:{TO_IMAGE}_recall_at_10"


def evaluate(gallery: Gallery, samples: Samples) -> Evaluation:
    """Measure a gallery over its unique images.

    Args:
        gallery: Embeddings of the samples and their captions.
        samples: The same images.

    Raises:
        Invalid: No image has a caption.
    """
    kept = _unique(samples.images)
    gallery = gallery.select(kept)
    if not len(gallery.texts):
        raise Invalid(
            "No held-out image has a caption. Ingest the dataset again, with captions for all images."
        )
    asked = _Asked.of(gallery)
    guess = _guess(gallery)
    return Evaluation(
        metrics=_with_ceiling(asked.metrics(), gallery),
        baseline={**guess.measurement.metrics, CEILING: None},  # it is the data's, whoever looks for an image
        baseline_name=guess.names[MAIN],
        baseline_names=guess.names,
        sample_count=len(kept),
        pictures=_pictures(gallery, samples, kept, asked),
        intervals=_intervals(gallery, asked),
        classes=[{"class": samples.classes[-1], "recall_at_10": asked.metrics()[MAIN]}],
        samples=_by_sample(gallery, [samples.names[index] for index in kept], asked),
    )


class _Asked:
    """Where the right answers stand: for each caption among the images, for each image among the texts."""

    def __init__(self, to_image: tuple[Array, Array], to_text: tuple[Array, Array]) -> None:
        self.to_image, self.to_text = to_image, to_text

    @classmethod
    def of(cls, gallery: Gallery) -> _Asked:
        texts, first, kind = np.unique(gallery.captions, return_index=True, return_inverse=True)
        right = np.zeros((len(gallery.images), len(texts)), dtype=bool)
        right[gallery.owners, kind.ravel()] = True
        told = right.any(axis=1)
        to_text = (gallery.images @ gallery.texts[first].T)[told], right[told]
        return cls(
            metrics.places(gallery.texts @ gallery.images.T, gallery.own_image), metrics.places(*to_text)
        )

    @classmethod
    def blind(cls, gallery: Gallery) -> _Asked:
        return cls.of(
            Gallery(
                np.zeros_like(gallery.images), np.zeros_like(gallery.texts), gallery.owners, gallery.captions
            )
        )

    @classmethod
    def by_frequency(cls, gallery: Gallery) -> _Asked:
        """One order for all: of images by how many captions they have, of texts by how often they occur."""
        _, kind, count = np.unique(gallery.captions, return_inverse=True, return_counts=True)
        of_image = np.bincount(gallery.owners, minlength=len(gallery.images)).astype(np.float64)
        of_text = count[kind.ravel()].astype(np.float64)
        images = np.column_stack([of_image, np.ones_like(of_image)])
        texts = np.column_stack([np.ones_like(of_text), of_text])
        return cls.of(Gallery(images, texts, gallery.owners, gallery.captions))

    def metrics(self) -> dict[str, float | None]:
        return {**metrics.summed(*self.to_image, TO_IMAGE), **metrics.summed(*self.to_text, TO_TEXT)}


def _guess(gallery: Gallery) -> Guess:
    """The best of what can be done without looking at images or reading texts."""
    asked = {GUESS: _Asked.blind(gallery), FREQUENT: _Asked.by_frequency(gallery)}
    found = {name: Measurement(_with_ceiling(one.metrics(), gallery)) for name, one in asked.items()}
    guess = evaluation.best_guess(found, LOWER_IS_BETTER)
    return Guess(guess.measurement, {key: name for key, name in guess.names.items() if key != CEILING})


def _with_ceiling(found: dict[str, float | None], gallery: Gallery) -> dict[str, float | None]:
    best = metrics.ceiling([caption.decode() for caption in gallery.captions], gallery.owners, 10)
    return {MAIN: found[MAIN], **found, CEILING: best, SHARE: (found[MAIN] or 0.0) / best}


def _unique(images: Array) -> Array:
    """Indices of the images without those that are an earlier one byte for byte."""
    seen: dict[bytes, int] = {}
    for index, image in enumerate(images):
        seen.setdefault(np.ascontiguousarray(image).tobytes(), index)
    return np.array(sorted(seen.values()), dtype=int)


def _intervals(gallery: Gallery, asked: _Asked) -> Mapping[str, Interval | None]:
    """Images are drawn whole, with all their captions; who stands beside them stays as it was."""
    count = len(gallery.images)
    rows = [np.flatnonzero(gallery.owners == index) for index in range(count)]
    told = np.flatnonzero([len(each) > 0 for each in rows])

    def measure(chosen: Array) -> dict[str, float | None]:
        images = told[chosen]
        texts = np.concatenate([rows[index] for index in images])
        return {
            **metrics.summed(asked.to_image[0][texts], asked.to_image[1][texts], TO_IMAGE),
            **metrics.summed(asked.to_text[0][chosen], asked.to_text[1][chosen], TO_TEXT),
        }

    return intervals.resample(len(told), measure)


def _by_sample(gallery: Gallery, names: list[str], asked: _Asked) -> Mapping[str, Mapping[str, float | None]]:
    hits = metrics.recall(*asked.to_image, 10)
    total = np.bincount(gallery.owners, weights=hits, minlength=len(names))
    count = np.bincount(gallery.owners, minlength=len(names))
    return {
        name: {MAIN: float(hit / number) if number else None}
        for name, hit, number in zip(names, total, count, strict=True)
    }


def _pictures(gallery: Gallery, samples: Samples, kept: Array, asked: _Asked) -> dict[str, Array]:
    """For a caption that found its image worst, in the middle and best: the image, then the five first."""
    before, level = asked.to_image
    chosen = worst_median_best([float(-rank) for rank in before + (level - 1) / 2])
    pictures = {}
    for query in chosen:
        owner = int(gallery.owners[query])
        nearest = np.argsort(-(gallery.images @ gallery.texts[query]), kind="stable")[:5]
        row = [as_rgb(samples.images[kept[index]]) for index in (owner, *nearest)]
        gap = np.full((row[0].shape[0], 4, 3), 255, dtype=np.uint8)
        parts = [part for picture in row for part in (picture, gap)]
        name = samples.names[kept[owner]]
        pictures[f"{name}-rank-{int(before[query]) + 1}"] = np.concatenate(
            [*parts[:1], gap, *parts[1:-1]], axis=1
        )
    return pictures
