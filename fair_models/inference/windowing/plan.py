"""The order of a prediction: all windows, strip by strip, and the shards that they are cut into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fair_models.inference.imagery.reading import Block, Imagery
from fair_models.inference.request import PredictionRequest
from fair_models.inference.windowing.run import Model
from fair_models.inference.windowing.strips import Strip, strip_of_sources, strips_of
from fair_models.inference.windows import View

LEAST_SHARD_PX = 2_500_000
"""Pixels that go through the network for one shard, at least: less is not worth a task of its own."""

USUAL_SHARD_PX = 16_000_000
"""Pixels of a shard where there are many."""

FEW, MANY = 50, 500
"""How many shards there are, as far as there is enough to do for each."""

Job = tuple[Block, View]
"""One window, and the block that it is a part of."""


@dataclass(frozen=True)
class Course:
    """All windows of a prediction in the order in which they are worked off.

    model: What they go through.
    strips: Rows of windows that are finished together.
    shards: Windows, by their position, that are worked off together. Together they are all of them, in order.
        They depend on imagery and model alone, so that it makes no difference who works on them where.
    """

    model: Model
    strips: tuple[Strip, ...]
    shards: tuple[range, ...]
    jobs: tuple[Job, ...]

    def jobs_of(self, shard: int) -> tuple[Job, ...]:
        """The windows of a shard."""
        span = self.shards[shard]
        return self.jobs[span.start : span.stop]

    def pixels_of(self, shard: int) -> int:
        """Pixels of a shard that count."""
        return sum(view.core.height * view.core.width for _, view in self.jobs_of(shard))


def course_of(imagery: Imagery, request: PredictionRequest) -> Course:
    """Plan a prediction. Nothing is read.

    Args:
        imagery: What is predicted over.
        request: With what.
    """
    model = Model(
        request.session,
        request.processing,
        request.params,
        request.multiple_px,
        request.classes,
        request.threshold,
        request.judges_whole_images,
    )
    strips = tuple(_strips(imagery, request, model))
    jobs = tuple((strip.block, view) for strip in strips for view in strip.views)
    return Course(model, strips, tuple(cut([_pixels(view) for _, view in jobs])), jobs)


def cut(pixels: list[int]) -> Iterator[range]:
    """Cut windows into shards of about as many pixels each.

    Args:
        pixels: What the network gets for each window.

    Returns:
        Positions of the windows of each shard; every one is in exactly one, and no shard is empty.
    """
    total = sum(pixels)
    count = min(max(total // USUAL_SHARD_PX, FEW), MANY, max(1, total // LEAST_SHARD_PX))
    start, seen, number = 0, 0, 1
    for position, size in enumerate(pixels, start=1):
        seen += size
        if seen * count >= total * number or position == len(pixels):
            yield range(start, position)
            start = position
            number = seen * count // total + 1


def _strips(imagery: Imagery, request: PredictionRequest, model: Model) -> Iterator[Strip]:
    for block in imagery.blocks:
        if model.whole_images:
            yield strip_of_sources(block, model, request.input.size_px)
        else:
            yield from strips_of(block, model)


def _pixels(view: View) -> int:
    return view.window.height * view.window.width
