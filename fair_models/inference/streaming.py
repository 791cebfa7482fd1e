"""Everything that a model finds over imagery, as a stream, in memory that does not grow with the imagery.

It has two halves that may be apart in time and place: windows through the network (`window_results`), and
what they say put together into features (`outlined`). Threads read and pre-process windows ahead of the
network, and outline behind it, so that the network waits for nothing. What comes out does not depend on which
of them was quicker.
"""

from __future__ import annotations

import ctypes
import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Protocol, Self, TypeVar

from fair_models.inference.imagery.failures import Failures
from fair_models.inference.imagery.reading import Block, Imagery
from fair_models.inference.outlines.features import Features
from fair_models.inference.outlines.outliner import Outliner
from fair_models.inference.request import PredictionRequest
from fair_models.inference.windowing.plan import PredictionPlan, Strip, plan_windows
from fair_models.inference.windowing.window_steps import (
    WindowResult,
    batches,
    postprocess_each,
    read_or_note,
    run,
)
from fair_models.inference.windows import Rectangle
from fair_models.types import Array

_READERS = min(4, os.cpu_count() or 1)
Advance = Callable[[int, int], None]
"""Called in the caller's thread with the number of windows that are done, and of all windows."""


Given = TypeVar("Given")
Made = TypeVar("Made")
_M_ARENA_MAX = -8


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


class Crew:
    """Threads that bring windows through the network. Several shards may share them.

    Use it in a `with` block; what has not begun by its end is dropped.

    Args:
        at_once: Batches that go through the network at the same time, as its session says.
    """

    def __init__(self, at_once: int) -> None:
        few_arenas()
        self.at_once = at_once
        self.readers, self.network = map(ThreadPoolExecutor, (_READERS, at_once))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in (self.network, self.readers):
            pool.shutdown(wait=True, cancel_futures=True)


def stream(
    imagery: Imagery,
    request: PredictionRequest,
    advance: Advance = lambda done, total: None,
    rasters: Sequence[RasterSink] = (),
    failures: Failures | None = None,
) -> Generator[Features, None, None]:
    """Everything that the model finds, some features at a time, without writing anything.

    Features come block by block. In a block the polygons of a mask come in the order of the rows in which
    they end, and of those that end in the same row in the order of their first pixels; where a model tells
    objects apart, groups of near ones come in that order, see `InstanceFinder.add`. Boxes and points come
    among them in the order in which they were found, those on a seam between strips with the lower one; whole
    images come at the block's end. The same request gives the same features in the same order.

    Args:
        imagery: The imagery; it stays open until the last features have come.
        request: What is predicted.
        advance: Called after each batch. What it raises ends the stream.
        rasters: Get what is where, before the features that end there.
        failures: Notes what fails, where something may. Default: what fails ends the stream.

    Raises:
        Invalid: Imagery or model do not fit.
    """
    plan = plan_windows(imagery, request)
    with Crew(request.session.at_once) as crew:
        windows = all_windows(plan, crew, bool(rasters), failures or Failures(), advance)
        yield from outlined(plan, windows, request, rasters)


def all_windows(
    plan: PredictionPlan, crew: Crew, as_raster: bool, failures: Failures, advance: Advance
) -> Iterator[WindowResult]:
    """What all windows say, in their order: `window_results`, window by window."""
    done = 0
    for batch in window_results(plan, range(len(plan.shards)), crew, as_raster, failures):
        done += len(batch)
        advance(done, len(plan.jobs))
        yield from batch


def window_results(
    plan: PredictionPlan, shards: Iterable[int], crew: Crew, as_raster: bool, failures: Failures
) -> Generator[Sequence[WindowResult], None, None]:
    """What the windows of some shards say, some windows at a time, in their order.

    Args:
        plan: All windows.
        shards: Which shards.
        crew: Does the work.
        as_raster: Whether masks are kept pixel by pixel too.
        failures: Notes what fails.

    Raises:
        Invalid: Imagery or model do not fit.
    """
    model, spans = plan.model, [plan.jobs_of(shard) for shard in shards]
    jobs = (job for span in spans for job in span)
    windows = ahead(lambda job: read_or_note(*job, model, failures), jobs, crew.readers, _READERS)
    # No batch reaches over the end of a shard: alone, the shard gives to the last bit what it gives here.
    together = (batch for span in spans for batch in batches(islice(windows, len(span))))
    ran = ahead(lambda batch: run(batch, model), together, crew.network, crew.at_once + 1)
    for batch in ran:
        yield postprocess_each(batch, model, as_raster, failures)


def outlined(
    plan: PredictionPlan,
    windows: Iterator[WindowResult],
    request: PredictionRequest,
    rasters: Sequence[RasterSink] = (),
    remarks: Counter[str] | None = None,
) -> Generator[Features, None, None]:
    """Features from what all windows say. See `stream` for their order.

    Args:
        plan: All windows.
        windows: What they say, in their order.
        request: What is predicted.
        rasters: Get what is where, before the features that end there.
        remarks: Counts what is to be said of outlines, see `outlines.neighbours.REMARKS`.
    """
    outliner = Outliner(request, bool(rasters), Counter() if remarks is None else remarks)
    with ThreadPoolExecutor(1) as outliners:
        for done in ahead(lambda given: outliner.add(*given), _by_strip(plan, windows), outliners, 2):
            if done.rasters is not None:
                for sink in rasters:
                    sink.write(done.strip.block, done.strip.area, *done.rasters)
            if len(done.features):
                yield done.features


def _by_strip(
    plan: PredictionPlan, windows: Iterator[WindowResult]
) -> Iterator[tuple[Strip, list[WindowResult]]]:
    for strip in plan.strips:
        yield strip, list(islice(windows, len(strip.views)))


def ahead(
    work: Callable[[Given], Made], given: Iterable[Given], pool: Executor, max_waiting: int
) -> Iterator[Made]:
    """Work on things in a pool, some of them ahead of what is asked for. Results keep the order.

    Args:
        work: What is done with each.
        given: The things; they are taken in the caller's thread.
        pool: Where the work is done. A pool of one thread does one after the other.
        max_waiting: How many are worked on, or done and waiting, at the same time.

    Raises:
        Exception: What `work` or `given` raised, in the place of the result. What has not begun is dropped.
    """
    waiting: deque[Future[Made]] = deque()
    try:
        for one in given:
            waiting.append(pool.submit(work, one))
            if len(waiting) >= max_waiting:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def few_arenas() -> None:
    """Have threads share two pools of freed memory, where the C library is glibc.

    By default it keeps one for each thread, and what one thread freed is of no use to another: 50 MB of a
    prediction. https://www.gnu.org/software/libc/manual/html_node/Malloc-Tunable-Parameters.html
    """
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
    except (AttributeError, OSError, TypeError):
        return  # another C library


def give_back() -> None:
    """Give freed memory back to the system, before work of another kind asks for its own."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return  # another C library
