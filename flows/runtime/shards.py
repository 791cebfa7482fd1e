"""A prediction in shards within a run: what is open, what is waited for, how far it is.

These are plain classes, no dataclasses: Prefect looks through what tasks are given, and here that is
thousands of windows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from prefect.futures import PrefectFuture

from flows.runtime.artifacts import ProgressBar, duration

if TYPE_CHECKING:
    from pystac import Item

    from fair_models.inference.prediction import Step
    from fair_models.inference.shards.sharding import Sharding
    from fair_models.params import PredictParams

AT_ONCE = 2
"""Shards that a run works on at a time: one reads ahead while the other is in the network."""

_LOOK_S = 0.5


class Work:
    """A prediction whose imagery and network are open. Use it in a `with` block.

    Args:
        params: What was asked for, with the exact id of the model.
        item: The model's item.
        sharding: The prediction.
        bar: Shows how far it is.
        open_: What is closed in the end.
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
        """Show how far this run is with its shards."""
        self.show(*self.sharding.done)

    def show(self, windows: int, pixels: int) -> None:
        """Show how far the prediction is.

        Args:
            windows: Windows that were worked on since the run began.
            pixels: Their pixels.
        """
        total, seconds = self.sharding.windows, time.monotonic() - self._began
        done = min(self._before + windows, total)
        self._bar.show(done, total + 1, said(done, total, windows, pixels, seconds))

    def stage(self, step: Step) -> None:
        """Show what is done when all windows are through."""
        self._bar.show(step.done, step.total, step.doing)


def said(done: int, total: int, worked_on: int, pixels: int, seconds: float) -> str:
    """How far a prediction is, in words.

    Args:
        done: Windows that are done, in all.
        total: All windows.
        worked_on: Windows that were worked on in `seconds`.
        pixels: Their pixels.
        seconds: Since the work began.
    """
    text = f"predicting: {done} of {total} windows"
    if not worked_on or seconds <= 0:
        return text
    left = (total - done) * seconds / worked_on
    return f"{text}, {pixels / seconds / 1e6:.3g} Mpx/s, {duration(left)} left"


class Making(Protocol):
    """Shards that are being made."""

    def wait(self, shard: int) -> None:
        """Return when a shard was made, or nobody makes it any more. Raises why it is no use to go on."""


class MakingHere:
    """Shards that tasks of this run make.

    Args:
        work: The prediction.
        futures: The task of each shard.
    """

    def __init__(self, work: Work, futures: Mapping[int, PrefectFuture[Any]]) -> None:
        self._work, self._futures = work, futures

    def wait(self, shard: int) -> None:
        """Return when a shard's task is over. What it could not do the reader of the shards tries again."""
        future = self._futures.get(shard)
        while future is not None and not future.wrapped_future.done():  # type: ignore[attr-defined]
            future.wait(_LOOK_S)
            self._work.show_own()

    def finish(self) -> None:
        """Wait for all shards. Raises what the first of them failed with."""
        for shard, future in self._futures.items():
            self.wait(shard)
            future.result()
