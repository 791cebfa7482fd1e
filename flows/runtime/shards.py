"""A prediction in shards within a run: what is open, what is waited for, how far it is.

These are plain classes, no dataclasses: Prefect walks through the arguments of tasks, and here these are
thousands of windows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from prefect.futures import PrefectFuture

from fair_models.numbers import duration, shown
from flows.runtime.artifacts import ProgressBar

if TYPE_CHECKING:
    from pystac import Item

    from fair_models.inference.prediction import PredictionStep
    from fair_models.inference.shards.sharding import Sharding
    from fair_models.params import PredictParams

AT_ONCE = 2
"""Shards that a run works on at a time: one reads its imagery while the other is in the network."""

_LOOK_S = 0.5


class OpenPrediction:
    """A prediction whose imagery and network are open. Use it in a `with` block.

    Args:
        params: The parameters, with the exact id of the model.
        item: The model's item.
        sharding: The prediction.
        bar: Its progress bar.
        open_: Closed in the end.
    """

    def __init__(
        self, params: PredictParams, item: Item, sharding: Sharding, bar: ProgressBar, open_: ExitStack
    ) -> None:
        self.params, self.item, self.sharding = params, item, sharding
        self._bar, self._open = bar, open_
        self._began = time.monotonic()
        missing, _ = sharding.windows_of(sharding.missing())
        self._before = sharding.windows - missing

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sharding.stop()
        self._open.close()

    def show_own(self) -> None:
        """Show the progress of this run's own shards."""
        self.show(*self.sharding.done)

    def show(self, windows: int, pixels: int) -> None:
        """Show the progress of the prediction.

        Args:
            windows: Windows that were processed since the run began.
            pixels: Their pixels.
        """
        total, seconds = self.sharding.windows, time.monotonic() - self._began
        done = min(self._before + windows, total)
        self._bar.show(done, total + 1, progress_text(done, total, windows, pixels, seconds))

    def stage(self, step: PredictionStep) -> None:
        """Show a step after all windows."""
        self._bar.show(step.done, step.total, step.doing)


def progress_text(done: int, total: int, worked_on: int, pixels: int, seconds: float) -> str:
    """The progress of a prediction, in words.

    Args:
        done: All windows that are done.
        total: All windows.
        worked_on: Windows that were processed in `seconds`.
        pixels: Their pixels.
        seconds: Time since the start.
    """
    text = f"predicting: {done} of {total} windows"
    if not worked_on or seconds <= 0:
        return text
    left = (total - done) * seconds / worked_on
    return f"{text}, {shown(pixels / seconds / 1e6)} Mpx/s, {duration(left)} left"


class PendingShards(Protocol):
    """Shards that somebody works on."""

    def wait(self, shard: int) -> None:
        """Return when a shard is made, or nobody works on it any more. Raises if it cannot be made."""


class OwnShards:
    """Shards that tasks of this run make.

    Args:
        work: The prediction.
        futures: The task of each shard.
    """

    def __init__(self, work: OpenPrediction, futures: Mapping[int, PrefectFuture[Any]]) -> None:
        self._work, self._futures = work, futures

    def wait(self, shard: int) -> None:
        """Return when a shard's task is over. Whoever reads the shards tries again what it could not do."""
        future = self._futures.get(shard)
        while future is not None and not future.wrapped_future.done():  # type: ignore[attr-defined]
            future.wait(_LOOK_S)
            self._work.show_own()

    def finish(self) -> None:
        """Wait for all shards. Raises the error of the first that failed."""
        for shard, future in self._futures.items():
            self.wait(shard)
            future.result()
