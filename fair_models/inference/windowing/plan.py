"""The order of a prediction: all windows, strip by strip, and the shards that they are cut into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from fair_models.inference.imagery.reading import Block, Imagery
from fair_models.inference.request import PredictionRequest
from fair_models.inference.windowing.window_steps import Model
from fair_models.inference.windows import Rectangle, View, WindowRule, cut, rule_for

MIN_SHARD_PX = 2_500_000
"""Pixels that go through the network for one shard, at least: less is not worth a task of its own."""

USUAL_SHARD_PX = 16_000_000
"""Pixels of a shard where there are many."""

FEW, MANY = 50, 500
"""How many shards there are, as far as there is enough to do for each."""

Job = tuple[Block, View]
"""One window, and the block that it is a part of."""


@dataclass(frozen=True)
class Strip:
    """Rows of a block that are finished together.

    block: The block.
    area: The rows, over its whole width.
    views: Windows whose cores lie in them, without those that see no imagery.
    """

    block: Block
    area: Rectangle
    views: tuple[View, ...]

    @property
    def is_last(self) -> bool:
        """Whether its block ends with it."""
        return self.area.row + self.area.height == self.block.grid.height


@dataclass(frozen=True)
class PredictionPlan:
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


def plan_windows(imagery: Imagery, request: PredictionRequest) -> PredictionPlan:
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
        request.scores_whole_images,
        request.marker_threshold,
        request.things,
    )
    strips = tuple(_strips(imagery, request, model))
    jobs = tuple((strip.block, view) for strip in strips for view in strip.views)
    return PredictionPlan(model, strips, tuple(cut_into_shards([_pixels(view) for _, view in jobs])), jobs)


def cut_into_shards(pixels: list[int]) -> Iterator[range]:
    """Cut windows into shards of about as many pixels each.

    Args:
        pixels: What the network gets for each window.

    Returns:
        Positions of the windows of each shard; every one is in exactly one, and no shard is empty.
    """
    total = sum(pixels)
    count = min(max(total // USUAL_SHARD_PX, FEW), MANY, max(1, total // MIN_SHARD_PX))
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
            yield _strip_of_sources(block, model, request.input.size_px)
        else:
            yield from _strips_of(block, model)


def _pixels(view: View) -> int:
    return view.window.height * view.window.width


def _strips_of(block: Block, model: Model) -> Iterator[Strip]:
    """Strips of one row of windows each."""
    everything = Rectangle(0, 0, block.grid.height, block.grid.width)
    views = cut(everything, rule_for(model.session.size_px, model.multiple_px), block.name)
    for (row, height), in_row in groupby(views, lambda view: (view.core.row, view.core.height)):
        seen = tuple(view for view in in_row if block.has_imagery(view.core))
        yield Strip(block, Rectangle(row, 0, height, block.grid.width), seen)


def _strip_of_sources(block: Block, model: Model, cell_px: int) -> Strip:
    """The whole block as one strip, for models that score images as wholes.

    Each window sees one chip or cell, and nothing of the next.
    """
    views: list[View] = []
    for name, area in block.sources(cell_px).items():
        size = model.session.size_px or max(area.height, area.width)
        rule = WindowRule(size, 0, model.multiple_px, fixed=not model.session.dynamic)
        views += cut(area, rule, name)
    return Strip(block, Rectangle(0, 0, block.grid.height, block.grid.width), tuple(views))
