"""A prediction in shards: each is worked on alone, anywhere, and kept; what is there is not done again.

The result is byte for byte that of `prediction.predict`: the same windows go through the network in the same
batches, and what they say is put together in the same order.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from fair_models.errors import FairModelsError, NothingLookedAt
from fair_models.inference.imagery.failures import Failure
from fair_models.inference.prediction import PredictionResult, Prepared, Progress, prepared, write
from fair_models.inference.request import PredictionRequest
from fair_models.inference.shards.manifest import Manifest
from fair_models.inference.shards.shard_files import VERSION
from fair_models.inference.streaming import Crew, window_results
from fair_models.inference.windowing.window_steps import WindowResult
from fair_models.inference.writing import sidecar
from fair_models.store.digests import checksum_file
from fair_models.store.protocol import Store

_COUNTS = ("fair-models", "onnxruntime", "openvino", "numpy", "rasterio", "gdal")
"""Software that what a window says depends on."""

Wait = Callable[[int], None]
"""Returns when a shard is there, or will not come; raises why there is no use in going on."""


class Stopped(FairModelsError):
    """Nobody waits for the shard any more."""


class Sharding:
    """A prediction in shards whose imagery is open. Several threads may make shards at a time.

    It is no dataclass on purpose: Prefect looks through those, and this holds all windows.

    Args:
        work: The prediction.
        manifest: Its shards.
        crew: Brings windows through the network.
    """

    def __init__(self, work: Prepared, manifest: Manifest, crew: Crew) -> None:
        self.work, self.manifest = work, manifest
        self.made: list[int] = []
        """Shards that this process made."""
        self._crew = crew
        self._windows_done = 0
        self._pixels_done = 0
        self._failures: dict[int, tuple[Failure, ...]] = {}
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    @property
    def shards(self) -> range:
        """Numbers of all shards."""
        return range(len(self.work.plan.shards))

    @property
    def windows(self) -> int:
        """How many windows there are."""
        return len(self.work.plan.jobs)

    @property
    def done(self) -> tuple[int, int]:
        """Windows that this process has worked on so far, and their pixels."""
        with self._lock:
            return self._windows_done, self._pixels_done

    def missing(self) -> list[int]:
        """Shards that nobody has made yet."""
        done = self.manifest.done()
        return [shard for shard in self.shards if shard not in done]

    def windows_of(self, shards: list[int]) -> tuple[int, int]:
        """How many windows some shards have, and their pixels."""
        plan = self.work.plan
        return sum(len(plan.shards[each]) for each in shards), sum(map(plan.pixels_of, shards))

    def make(self, shard: int) -> None:
        """Make a shard and store it.

        Raises:
            InvalidImagery: More failed by now than may.
            Stopped: `stop` was called.
            Unavailable: Imagery or store do not answer.
        """
        windows = list(self._result(shard))
        failures = self.work.failures.among(self.work.plan.jobs_of(shard))
        self.manifest.put(shard, windows, failures)
        with self._lock:
            self.made.append(shard)

    def stop(self) -> None:
        """Make no more: whoever is at it gives up after the batch that is in the network."""
        self._stopped.set()

    def write(self, progress: Progress, wait: Wait = lambda shard: None) -> PredictionResult:
        """Put the shards together, write the results, and take the shards away.

        A shard that is missing or damaged when its turn comes is made here.

        Args:
            progress: Called after each stage.
            wait: Called before each shard is read, in their order.

        Raises:
            InvalidImagery: More failed than may.
            NothingLookedAt: No pixel of all shards counted.
            Unavailable: Imagery, store or disk do not answer.
        """
        self._failures.clear()
        try:
            result = write(self.work, self._all(wait), self._failed, progress)
        except NothingLookedAt:
            self.manifest.clear()  # they say nothing, and the imagery may have something the next time
            raise
        self.manifest.clear()
        return result

    def _all(self, wait: Wait) -> Iterator[WindowResult]:
        for shard in self.shards:
            wait(shard)
            yield from self._kept(shard)

    def _kept(self, shard: int) -> list[WindowResult]:
        count = len(self.work.plan.shards[shard])
        kept = self.manifest.read(shard, count)
        if kept is None:
            windows = list(self._result(shard))
            self._failures[shard] = tuple(self.work.failures.among(self.work.plan.jobs_of(shard)))
            return windows
        windows, self._failures[shard] = kept
        self.work.check(self._failed())
        return windows

    def _result(self, shard: int) -> Iterator[WindowResult]:
        plan, failures = self.work.plan, self.work.failures
        pixels = plan.pixels_of(shard) / len(plan.shards[shard])
        for batch in window_results(plan, [shard], self._crew, self.work.request.as_raster, failures):
            if self._stopped.is_set():
                raise Stopped(f"Shard {shard} was given up: nobody waits for it any more")
            self.work.check(failures.noted())
            with self._lock:
                self._windows_done += len(batch)
                self._pixels_done += round(pixels * len(batch))
            yield from batch

    def _failed(self) -> list[Failure]:
        return [failure for failures in self._failures.values() for failure in failures]


@contextmanager
def sharded(request: PredictionRequest, store: Store) -> Iterator[Sharding]:
    """Open a prediction whose shards lie in a store.

    Args:
        request: What is predicted.
        store: Where shards are looked for, and put.

    Raises:
        Conflict: The output folder holds something.
        Invalid: Parameters, imagery or model do not fit; every reason is named.
        NotFound: There is no such imagery.
    """
    with prepared(request) as work, Crew(request.session.at_once) as crew:
        made = Sharding(work, Manifest(store, digest_of(work)), crew)
        try:
            yield made
        finally:
            made.stop()


def digest_of(work: Prepared) -> str:
    """What a prediction is called by: all that its shards depend on, and nothing else.

    Imagery counts with its state (see `Imagery.identity`), so that changed imagery has other shards. Formats,
    outlines and what is excluded count only when shards are put together.
    """
    request, plan = work.request, work.plan
    area = request.area.text if request.area else None
    asked: list[Any] = [
        VERSION,
        request.model_id,
        checksum_file(request.session.path),
        request.code_checksum,
        [request.session.provider, request.session.engine, request.session.precision],
        {name: version for name, version in sidecar.software(request.session).items() if name in _COUNTS},
        str(request.imagery),
        work.imagery.identity(),
        [area, request.zoom],
        sidecar.with_prefix(request.params),
        [request.input.bands, request.input.size_px, request.input.gsd_m, request.input.resampling],
        [list(request.classes), request.things, request.task, request.multiple_px, request.as_raster],
        request.most_failed > 0,
        request.rules.model_dump(),
        [[shard.start, shard.stop] for shard in plan.shards],
    ]
    return hashlib.sha256(orjson.dumps(asked)).hexdigest()[:32]
