"""Everything that a model finds over imagery, as a stream, in memory that does not grow with the imagery.

Threads read and pre-process windows ahead of the network, and judge and outline behind it, so that the
network waits for nothing. What comes out does not depend on which of them was quicker.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from typing import Protocol

from fair_models.inference.features import Features
from fair_models.inference.imagery import Block, Imagery
from fair_models.inference.outlining import Outliner
from fair_models.inference.pipelining import ahead
from fair_models.inference.request import PredictionRequest
from fair_models.inference.running import Judged, Model, batches, judge, read, run
from fair_models.inference.strips import Strip, strip_of_sources, strips_of
from fair_models.inference.windows import Rectangle
from fair_models.types import Array

_READERS = min(4, os.cpu_count() or 1)
_AHEAD = 2
"""Batches on each side of the network. With less it waits for outlines; more cost memory and gain nothing."""

Advance = Callable[[int, int], None]
"""Called in the caller's thread with the number of windows that are judged, and of all windows."""


class RasterSink(Protocol):
    """Takes what is where, strip by strip from top to bottom, block by block."""

    def write(self, block: Block, rows: Rectangle, classes: Array, confidence: Array) -> None:
        """Take one strip of a block, the one directly under the strip before.

        Args:
            block: The block.
            rows: The strip, over the block's whole width.
            classes: Class index of each pixel, uint8, shape (height, width); 0 is the background, 255 where
                there is no imagery.
            confidence: Probability of the best class that is not the background, in per cent, uint8, same
                shape; 255 where there is no imagery.
        """


def stream(
    imagery: Imagery,
    request: PredictionRequest,
    advance: Advance = lambda done, total: None,
    rasters: Sequence[RasterSink] = (),
) -> Generator[Features, None, None]:
    """Everything that the model finds, some features at a time, without writing anything.

    Features come block by block. In a block the polygons of a mask come in the order of the rows in which
    they end, and of those that end in the same row in the order of their first pixels; boxes and points come
    window by window among them, whole images at the block's end. The same request gives the same features in
    the same order.

    Args:
        imagery: The imagery; it stays open until the last features have come.
        request: What is predicted.
        advance: Called after each batch. What it raises ends the stream.
        rasters: Get what is where, before the features that end there.

    Raises:
        Invalid: Imagery or model do not fit.
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
    strips = _strips(imagery, request, model)
    with ExitStack() as stack:
        readers, network, judges, outliners = (_pool(stack, size) for size in (_READERS, 1, 1, 1))
        outliner = Outliner(request, bool(rasters))
        jobs = ((strip.block, view) for strip in strips for view in strip.views)
        windows = ahead(lambda job: read(*job, model), jobs, readers, _READERS)
        ran = ahead(lambda batch: run(batch, model), batches(windows), network, _AHEAD)
        judged = ahead(lambda batch: judge(batch, model, bool(rasters)), ran, judges, 2)
        complete = _by_strip(strips, _counted(judged, strips, advance))
        for outlined in ahead(lambda given: outliner.add(*given), complete, outliners, 2):
            if outlined.rasters is not None:
                for sink in rasters:
                    sink.write(outlined.strip.block, outlined.strip.area, *outlined.rasters)
            if len(outlined.features):
                yield outlined.features


def _strips(imagery: Imagery, request: PredictionRequest, model: Model) -> list[Strip]:
    if model.whole_images:
        return [strip_of_sources(block, model, request.input.size_px) for block in imagery.blocks]
    return [strip for block in imagery.blocks for strip in strips_of(block, model)]


def _pool(stack: ExitStack, threads: int) -> ThreadPoolExecutor:
    """A pool that ends with the stack; what has not begun by then is dropped."""
    pool = ThreadPoolExecutor(threads)
    stack.callback(pool.shutdown, wait=True, cancel_futures=True)
    return pool


def _counted(
    judged: Iterable[Sequence[Judged]], strips: Sequence[Strip], advance: Advance
) -> Iterator[Judged]:
    total, done = sum(len(strip.views) for strip in strips), 0
    for batch in judged:
        done += len(batch)
        advance(done, total)
        yield from batch


def _by_strip(strips: Sequence[Strip], windows: Iterator[Judged]) -> Iterator[tuple[Strip, list[Judged]]]:
    for strip in strips:
        yield strip, list(islice(windows, len(strip.views)))
